"""Ours: what an error costs; a panel per task, a marker per method at its hours of search and retraining."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.figures.columns import COST
from nasperf360.labels import BASELINE, method_label
from nasperf360.tables.relative import baseline_errors, relative_error

COLUMNS = list(COST)
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
        relative_error=relative_error(both["error"], both["task"].map(baseline_errors(performance))),
    )
    return both.dropna(subset=["error", "hours"])[COLUMNS].reset_index(drop=True)


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame, notes: Sequence[str] = ()) -> Figure:
    """Both axes logarithmic and shared by all panels; a line at the error of the default WRN.

    Args:
        numbers: as :func:`numbers` gives them.
        tasks: as ``read_tasks`` gives them.
        notes: where errors are not relative to the default WRN; see ``baseline_notes``.
    """
    with style.context():
        shown = numbers[numbers["relative_error"].notna() & np.isfinite(numbers["error"])]
        notes = style.wrapped([*notes, *style.failure_notes(numbers)])
        names = [task for task in tasks["task"] if (shown["task"] == task).any()]
        columns = min(PANELS_PER_ROW, len(names))
        rows = -(-len(names) // columns) if names else 1
        figure = Figure(figsize=(style.WIDTH, 1.0 + 1.5 * rows + style.NOTE_HEIGHT * len(notes)))
        if shown.empty:
            style.empty(figure, "\n".join(notes) or "no method has both a result and its hours in this run")
            return figure
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        methods = list(dict.fromkeys(shown["method"]))
        unit = next((unit for unit, size in UNITS.items() if shown["hours"].max() * size >= 1), "seconds")
        shown = shown.assign(time=shown["hours"] * UNITS[unit])
        left, right = style.padded(shown["time"].min(), shown["time"].max())
        low, high = style.limits(shown["relative_error"])
        for axes, task in zip(panels, names, strict=False):
            points = shown[shown["task"] == task]
            axes.set_title(tasks.loc[task, "title"])
            axes.axhline(1, color=style.GREY, lw=0.8, zorder=1)
            for method in methods:
                of_method = points[points["method"] == method]
                style.markers(axes, of_method["time"], of_method["relative_error"], high, style.look(method), 26)
            style.log_axis(axes, "x", left, right)
            style.log_axis(axes, "y", low, high)
        devices = sorted(set(shown["device"]))
        name = f"{devices[0]}-{unit}" if devices in (["CPU"], ["GPU"]) else f"{unit} on a GPU or a CPU"
        figure.supxlabel("\n".join([f"Search and retraining of one seed, {name}", *notes]), fontsize=8)
        figure.supylabel(f"Error relative to {method_label(BASELINE)}", fontsize=8)
        handles = style.marks(methods)
        labels = [method_label(method) for method in methods]
        style.legend(figure, handles, labels, handletextpad=0.1, columnspacing=1.4)
        return figure
