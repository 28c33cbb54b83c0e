"""Ours: errors of a run relative to another's; filled where a test on the same samples tells them apart."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.labels import method_label, task_label

SPREAD = 0.8  # width of a task's group of methods, of the distance between tasks


def draw(table: pd.DataFrame, run: str, other: str) -> Figure:
    """A group of methods per task on a logarithmic axis; a line where both runs are equal.

    Args:
        table: as ``tables.differences.differences`` gives it.
        run: the name of this run.
        other: of the other.
    """
    with style.context():
        shown = table[np.isfinite(table["error_ratio"])]
        figure = Figure(figsize=(style.WIDTH, 3.3))
        if shown.empty:
            style.empty(figure, f"no experiment has a result both in {run} and in {other}")
            return figure
        axes = figure.subplots()
        tasks, methods = list(dict.fromkeys(shown["task"])), list(dict.fromkeys(shown["method"]))
        middle, step = (len(methods) - 1) / 2, SPREAD / max(len(methods), 4)
        low, high = style.limits(shown["error_ratio"])
        for row in shown.itertuples():
            look, x = style.look(row.method), tasks.index(row.task) + (methods.index(row.method) - middle) * step
            ratio = np.array([row.error_ratio])
            style.write_outside(axes, np.array([x]), ratio, high, look.colour)
            if 0 < row.error_ratio <= high:
                face = look.colour if row.better else "white"
                axes.scatter(
                    [x], ratio, s=24, marker=look.marker, facecolor=face, edgecolor=look.colour, lw=0.9, zorder=3
                )
        style.log_axis(axes, "y", low, high)
        style.task_axis(axes, [task_label(task) for task in tasks])
        axes.tick_params(axis="x", labelsize=7)
        axes.axhline(1, color=style.GREY, lw=0.8, zorder=1)
        axes.set_ylabel(f"Error of {run} relative to {other}")
        note = (
            "Filled: a test on the same samples tells the two apart (Holm, 5 %); hollow: it does not, or there is none."
        )
        figure.supxlabel("\n".join(style.wrapped([note])), fontsize=8)
        handles = style.marks(methods)
        labels = [method_label(method) for method in methods]
        style.legend(figure, handles, labels, handletextpad=0.1, columnspacing=1.4)
        return figure
