"""Ours: performance profiles of every method of the run, specialised ones included, by group of tasks."""

import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import profile_panels

GROUPS = {"2-D point": (2, "point"), "2-D dense": (2, "dense"), "1-D": (1, "point")}


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, tasks: pd.DataFrame) -> pd.DataFrame:
    """The profiles on each group, of the methods that have a result there; see :func:`profile_panels.numbers`."""
    panels: profile_panels.Panels = {}
    for title, (dimensions, kind) in GROUPS.items():
        group = list(tasks[(tasks["dimensions"] == dimensions) & (tasks["kind"] == kind)]["task"])
        there = performance[performance["task"].isin(group)]
        panels[title] = (group, list(dict.fromkeys(there["method"])))
    return profile_panels.numbers(performance, scores, panels)


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Three panels."""
    return profile_panels.draw(numbers, list(GROUPS))
