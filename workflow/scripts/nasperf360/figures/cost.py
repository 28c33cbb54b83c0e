"""Ours: what an error costs; a panel per task, a marker per method at its hours of search and retraining."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nasperf360.figures import style
from nasperf360.labels import BASELINE, method_label

COLUMNS = ["task", "method", "search_hours", "retrain_hours", "hours", "device", "error", "relative_error"]
PANELS_PER_ROW = 5
UNITS = {"hours": 1, "minutes": 60, "seconds": 3600}


def numbers(performance: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Error of each task and method, relative to the default WRN of the same run, and the mean hours of a seed.

    Args:
        performance: as ``read_performance`` gives it.
        costs: as ``read_costs`` gives it.

    Returns:
        columns :data:`COLUMNS`; a row where both an error and hours are known. ``device`` is that of retraining.
    """
    both = performance.merge(costs, on=["task", "method"], suffixes=("", "_of_cost"))
    both = both.assign(
        search_hours=both["search_hours_per_seed"],
        retrain_hours=both["retrain_hours_per_seed"],
        hours=both["hours_per_seed"],
        device=both["retrain_device"],
        relative_error=both["error"] / both["task"].map(_baseline(performance)),
    )
    return both.dropna(subset=["error", "hours"])[COLUMNS].reset_index(drop=True)


def _baseline(performance: pd.DataFrame) -> pd.Series:
    return performance[performance["method"] == BASELINE].set_index("task")["error"]


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Both axes logarithmic and shared by all panels; a line at the error of the default WRN."""
    with style.context():
        shown = numbers[np.isfinite(numbers["relative_error"]) & (numbers["relative_error"] > 0)]
        names = [task for task in tasks["task"] if (shown["task"] == task).any()]
        columns = min(PANELS_PER_ROW, len(names))
        rows = -(-len(names) // columns) if names else 1
        figure = Figure(figsize=(style.WIDTH, 1.0 + 1.5 * rows))
        if shown.empty:
            style.empty(figure, f"no task has a result and a cost of {BASELINE}, to which errors are compared")
            return figure
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        methods = list(dict.fromkeys(shown["method"]))
        unit = next((unit for unit, size in UNITS.items() if shown["hours"].max() * size >= 1), "seconds")
        shown = shown.assign(time=shown["hours"] * UNITS[unit])
        end = style.last_inlier(shown["relative_error"])
        left, right = style.padded(shown["time"].min(), shown["time"].max())
        low, high = style.padded(min(shown["relative_error"].min(), 0.8), max(end, 1.25))
        for axes, task in zip(panels, names, strict=False):
            points = shown[shown["task"] == task]
            axes.set_title(tasks.loc[task, "title"])
            axes.axhline(1, color=style.GREY, lw=0.8, zorder=1)
            for method in methods:
                look = style.look(method)
                for point in points[points["method"] == method].itertuples():
                    if point.relative_error > end:
                        style.write_beyond(axes, point.time, point.relative_error, look.colour)
                    else:
                        axes.scatter(
                            point.time, point.relative_error, s=26, marker=look.marker, color=look.colour, lw=0
                        )
            style.log_axis(axes, "x", left, right)
            style.log_axis(axes, "y", low, high)
        devices = sorted(set(shown["device"]))
        name = f"{devices[0]}-{unit}" if devices in (["CPU"], ["GPU"]) else f"{unit} on a GPU or a CPU"
        figure.supxlabel(f"Search and retraining of one seed, {name}", fontsize=8)
        figure.supylabel(f"Error relative to {method_label(BASELINE)}", fontsize=8)
        handles = [
            Line2D([], [], ls="", marker=style.look(method).marker, color=style.look(method).colour, ms=5)
            for method in methods
        ]
        labels = [method_label(method) for method in methods]
        style.legend(figure, handles, labels, handletextpad=0.1, columnspacing=1.4)
        return figure
