"""Figure 1: performance profiles of the two settings of the paper, a small and a larger budget, on all tasks."""

import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import profile_panels

METHODS = {
    "Constrained": ["wrn-default", "densenas-original"],
    "Less constrained": ["wrn-asha", "darts-gaea"],
}


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, tasks: pd.DataFrame) -> pd.DataFrame:
    """The profiles of both settings; see :func:`profile_panels.numbers`."""
    panels = {title: (list(tasks["task"]), methods) for title, methods in METHODS.items()}
    return profile_panels.numbers(performance, scores, panels)


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Two panels, each relative to the better of its two methods."""
    return profile_panels.draw(numbers, list(METHODS))
