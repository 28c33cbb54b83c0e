"""Ours: every result, seed by seed, as an error relative to the default WRN of the same run, beside the paper's."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nasperf360.figures import style
from nasperf360.labels import BASELINE, method_label
from nasperf360.tables.performance import to_error
from nasperf360.tables.relative import baseline_errors, baseline_notes, relative_error

COLUMNS = ["task", "method", "seed", "kind", "error", "relative_error"]
KINDS = ("seed", "mean", "paper")
NOTHING = "no results in this run"
SPREAD = 0.8  # width of a task's group of methods, of the distance between tasks


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, tasks: pd.DataFrame) -> pd.DataFrame:
    """Errors and their ratio to the mean error of the baseline on the task.

    Returns:
        columns :data:`COLUMNS`; ``kind`` is seed, mean, or paper (the paper's mean, relative to the paper's baseline).
        The error of a mean is infinite where a seed failed.
    """
    paper = performance.assign(error=to_error(performance["reference_mean"], performance["higher_is_better"]))
    parts = [performance.assign(kind="mean"), paper.assign(kind="paper")]
    if scores is not None:
        seeds = scores.assign(error=to_error(scores["value"], scores["higher_is_better"]), kind="seed")
        parts.insert(0, seeds)
    points = pd.concat([part.reindex(columns=[*COLUMNS[:-1]]) for part in parts], ignore_index=True)
    points["seed"] = points["seed"].astype("Int64")
    baselines = {"run": baseline_errors(performance), "paper": baseline_errors(paper)}
    baseline = (
        points["task"].map(baselines["run"]).where(points["kind"] != "paper", points["task"].map(baselines["paper"]))
    )
    points["relative_error"] = relative_error(points["error"], baseline)
    return points.dropna(subset="error").reset_index(drop=True)[COLUMNS]


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """A group of methods per task: dots are seeds, bars their means, hollow marks the paper's."""
    with style.context():
        means = numbers[numbers["kind"] == "mean"]
        notes = style.wrapped([*baseline_notes(means), *style.failure_notes(means)])
        figure = Figure(figsize=(style.WIDTH, 3.3 + style.NOTE_HEIGHT * len(notes)))
        shown = numbers[numbers["relative_error"].notna() & np.isfinite(numbers["error"])]
        if shown.empty:
            style.empty(figure, "\n".join(notes) or NOTHING)
            return figure
        axes = figure.subplots()
        names = [task for task in tasks["task"] if (shown["task"] == task).any()]
        methods = list(dict.fromkeys(numbers["method"]))
        step = SPREAD / max(len(methods), 4)
        repeated = (shown["kind"] == "seed").any()
        differs = not _same_as_paper(shown)
        middle = (len(methods) - 1) / 2
        shown = shown.assign(
            place=shown["task"].map(names.index) + (shown["method"].map(methods.index) - middle) * step
        )
        low, high = style.limits(shown["relative_error"])
        within = (shown["relative_error"] > 0) & (shown["relative_error"] <= high)
        inside, outside = shown[within], shown[~within]
        for method in methods:
            look = style.look(method)
            for kind, points in inside[inside["method"] == method].groupby("kind"):
                place = points["place"]
                if kind == "seed":
                    axes.scatter(place, points["relative_error"], s=12, marker=look.marker, color=look.colour, lw=0)
                elif kind == "mean" and repeated:
                    half = step * 0.45
                    axes.hlines(points["relative_error"], place - half, place + half, color=look.colour, lw=1.4)
                elif kind == "mean":
                    axes.scatter(place, points["relative_error"], s=20, marker=look.marker, color=look.colour, lw=0)
                elif differs:
                    axes.scatter(
                        place,
                        points["relative_error"],
                        s=18,
                        marker="o",
                        facecolors="none",
                        edgecolors=style.GREY,
                        lw=0.7,
                    )
        for (method, of_paper), points in outside.groupby(["method", outside["kind"] == "paper"]):
            colour = style.GREY if of_paper else style.look(method).colour
            style.write_outside(axes, points["place"], points["relative_error"], high, colour)
        style.log_axis(axes, "y", low, high)
        axes.axhline(1, color=style.GREY, lw=0.8, zorder=1)
        style.task_axis(axes, [tasks.loc[name, "title"] for name in names])
        if notes:
            figure.supxlabel("\n".join(notes), fontsize=8)
        axes.set_ylabel(f"Error relative to {method_label(BASELINE)}")
        handles = style.marks(methods)
        labels = [method_label(method) for method in methods]
        if differs and (shown["kind"] == "paper").any():
            handles.append(Line2D([], [], ls="", marker="o", mfc="none", mec=style.GREY, ms=4.5))
            labels.append("paper")
        style.legend(figure, handles, labels, handletextpad=0.1, columnspacing=1.4)
        return figure


def _same_as_paper(points: pd.DataFrame) -> bool:
    """Whether the results are the paper's own, which then need no second mark."""
    errors = points.pivot_table(index=["task", "method"], columns="kind", values="error")
    return {"mean", "paper"} <= set(errors) and "seed" not in errors and bool((errors["mean"] == errors["paper"]).all())
