"""Ours: how trainings and searches got on, a row per task; against steps and against hours; range over seeds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nasperf360.figures import style
from nasperf360.figures.columns import CURVES
from nasperf360.labels import method_label
from nasperf360.tables.histories import BEST, TRAINING, VALIDATION

COLUMNS = list(CURVES)
UNITS = {"hours": 1, "minutes": 60, "seconds": 3600}
ROW = 1.15  # inches of a task
SEARCH_ERROR = "search: lowest validation error so far, or the supernet's validation loss, over its first value"


def numbers(histories: pd.DataFrame) -> pd.DataFrame:
    """Mean and range over seeds of each quantity after each step.

    Args:
        histories: as ``read_histories`` gives them.

    Returns:
        columns :data:`COLUMNS`; ``hours`` is the mean over the seeds that took the step, ``start`` the mean of the
        first step, which searches are drawn relative to. The lowest error so far of a search that ended stays.
    """
    keys = ["stage", "task", "method", "quantity"]
    histories = pd.concat([histories, _of_ended(histories, keys)], ignore_index=True)
    steps = histories.groupby([*keys, "step"], sort=False)
    frame = steps.agg(
        hours=("hours", "mean"),
        mean=("value", "mean"),
        low=("value", "min"),
        high=("value", "max"),
        seeds=("seed", "size"),
    ).reset_index()
    # In the order of steps: where a trial of the first seed diverged, another one's came later.
    curve = frame.groupby(keys, sort=False).ngroup()
    frame = frame.iloc[np.lexsort((frame["step"], curve))].reset_index(drop=True)
    return frame.assign(start=frame.groupby(keys, sort=False)["mean"].transform("first"))[COLUMNS]


def _of_ended(histories: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The steps that others of the same searches took after one had ended, with what it had reached."""
    best = histories[histories["quantity"] == BEST]
    longest = best.groupby(keys)["step"].transform("max")
    last = best.assign(longest=longest)[~best.duplicated([*keys, "seed"], keep="last")]
    rows = [
        row._replace(step=step) for row in last.itertuples(index=False) for step in range(row.step + 1, row.longest + 1)
    ]
    return pd.DataFrame(rows, columns=last.columns)[histories.columns].astype(histories.dtypes)


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Loss of retraining (dashed: validation) and progress of searches, against steps and against time.

    Args:
        numbers: as :func:`numbers` gives them.
        tasks: as ``read_tasks`` gives them.
    """
    with style.context():
        names = [task for task in tasks["task"] if (numbers["task"] == task).any()]
        figure = Figure(figsize=(style.WIDTH, 1.3 + ROW * max(1, len(names))))
        if not names:
            style.empty(figure, "no search or training of this run has a history")
            return figure
        unit = next((unit for unit, size in UNITS.items() if numbers["hours"].max() * size >= 1), "seconds")
        shown = numbers.assign(time=numbers["hours"] * UNITS[unit])
        panels = figure.subplots(len(names), 4, squeeze=False)
        for row, task in zip(panels, names, strict=True):
            of_task = shown[shown["task"] == task]
            for axes, stage, x in zip(
                row, ("retrain", "retrain", "search", "search"), ("step", "time") * 2, strict=True
            ):
                _panel(axes, of_task[of_task["stage"] == stage], stage, x)
            row[0].set_ylabel(tasks.loc[task, "title"])
        for axes, title in zip(panels[0], ("retraining: loss", "", "search: progress", ""), strict=True):
            axes.set_title(title, loc="left")
        for axes, label in zip(panels[-1], ("epochs", unit, "epochs or trials", unit), strict=True):
            axes.set_xlabel(label)
        methods = list(dict.fromkeys(shown["method"]))
        notes = [
            "Line: mean over seeds; shaded: their range. Retraining: training loss, dashed the validation loss where "
            f"samples are held out. {SEARCH_ERROR.capitalize()}; time: mean over seeds."
        ]
        figure.supxlabel("\n".join(style.wrapped(notes)), fontsize=8)
        handles = [Line2D([], [], color=style.look(method).colour, lw=1.6) for method in methods]
        style.legend(figure, handles, [method_label(method) for method in methods], columnspacing=1.4)
        return figure


def _panel(axes: Axes, curves: pd.DataFrame, stage: str, x: str) -> None:
    axes.tick_params(labelsize=6.5)
    if curves[x].isna().all():
        axes.set(xticks=[], yticks=[])
        return
    for (method, quantity), curve in curves.groupby(["method", "quantity"], sort=False):
        if stage == "search" and quantity == TRAINING:
            continue
        of_first = curve["start"] if stage == "search" else 1.0
        mean, low, high = (curve[name] / of_first for name in ("mean", "low", "high"))
        colour = style.look(str(method)).colour
        dashes = "--" if stage == "retrain" and quantity == VALIDATION else "-"
        axes.plot(curve[x], mean, color=colour, lw=1.1, ls=dashes, marker="o" if len(curve) == 1 else "", ms=2.5)
        axes.fill_between(curve[x], low, high, color=colour, alpha=0.15, linewidth=0)
    lines = [line.get_ydata() for line in axes.get_lines()]
    drawn = np.concatenate([np.asarray(values, float) for values in lines]) if lines else np.empty(0)
    if stage == "retrain" and drawn.size and drawn.min() > 0 and drawn.max() > 1.5 * drawn.min():
        style.log_axis(axes, "y", *style.padded(drawn.min(), drawn.max()))
    if x == "step":
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
