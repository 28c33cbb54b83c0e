"""Figure 2: performance profiles of the general methods, on all tasks and on 2-D point tasks."""

import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import profile_panels

METHODS = ["wrn-default", "densenas-random", "densenas-original", "wrn-asha", "darts-gaea"]
TITLES = ["All tasks", "2-D point tasks"]


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, tasks: pd.DataFrame) -> pd.DataFrame:
    """The profiles on both groups of tasks; see :func:`profile_panels.numbers`."""
    images = tasks[(tasks["dimensions"] == 2) & (tasks["kind"] == "point")]
    groups = [list(tasks["task"]), list(images["task"])]
    panels = {title: (group, METHODS) for title, group in zip(TITLES, groups, strict=True)}
    return profile_panels.numbers(performance, scores, panels)


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Two panels."""
    return profile_panels.draw(numbers, TITLES)
