"""Ours: every method against the networks that experts designed, as the paper's later version prints them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.labels import method_label, task_label
from nasperf360.tables.comparison import EXPERT
from nasperf360.tables.performance import LATER, with_errors
from nasperf360.tables.relative import relative_error

COLUMNS = ["task", "method", "source", "error", "expert_error", "relative_error"]
SPREAD = 0.8  # width of a task's group of methods, of the distance between tasks
LABELS = {"perceiver-io-default": "Perceiver IO", "xgboost-default": "XGBoost"}


def numbers(performance: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Errors of this run's methods and of those that the later version adds, relative to the expert's printed error.

    Args:
        performance: as ``read_performance`` gives it.
        later: what the paper's later version adds, in the form of a run's.

    Returns:
        columns :data:`COLUMNS`, of the tasks of the run; the relative error is empty where no expert's is printed.
    """
    added = with_errors(later)
    added = added[added["task"].isin(performance["task"])]
    expert = added[added["method"] == EXPERT].set_index("task")["error"]
    others = added[added["method"] != EXPERT]
    points = pd.concat([performance.assign(source="run"), others.assign(source=LATER)], ignore_index=True)
    points["expert_error"] = points["task"].map(expert).astype(float)
    points["relative_error"] = relative_error(points["error"], points["expert_error"])
    return points.dropna(subset="error").reset_index(drop=True)[COLUMNS]


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """A group of methods per task on a logarithmic axis; a line at the expert."""
    with style.context():
        shown = numbers[numbers["relative_error"].notna() & np.isfinite(numbers["error"])]
        figure = Figure(figsize=(style.WIDTH, 3.5))
        if shown.empty:
            style.empty(figure, "no task of this run has both a result and an error of an expert")
            return figure
        axes = figure.subplots()
        names = [task for task in tasks["task"] if (shown["task"] == task).any()]
        methods = list(dict.fromkeys(shown["method"]))
        middle, step = (len(methods) - 1) / 2, SPREAD / max(len(methods), 4)
        low, high = style.limits(shown["relative_error"])
        for method in methods:
            look = style.look(method)
            points = shown[shown["method"] == method]
            place = points["task"].map(names.index) + (methods.index(method) - middle) * step
            style.markers(axes, place, points["relative_error"], high, look, 22)
        style.log_axis(axes, "y", low, high)
        style.task_axis(axes, [tasks.loc[name, "title"] for name in names])
        axes.axhline(1, color=style.GREY, lw=0.8, zorder=1)
        axes.set_ylabel("Error relative to the expert's")
        notes = ["Experts' networks, Perceiver IO and XGBoost: as the paper's later version prints them."]
        without = [task for task in tasks["task"] if task not in names and (numbers["task"] == task).any()]
        if without:
            notes.append(f"No expert's error is printed: {', '.join(map(task_label, without))}.")
        notes += style.failure_notes(numbers)
        figure.supxlabel("\n".join(style.wrapped(notes)), fontsize=8)
        handles = style.marks(methods)
        style.legend(
            figure,
            handles,
            [LABELS.get(method) or method_label(method) for method in methods],
            handletextpad=0.1,
            columnspacing=1.4,
        )
        return figure
