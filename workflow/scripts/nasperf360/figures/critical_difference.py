"""Ours: mean ranks of the methods that have every task, joined where they do not differ (Demsar, 2006)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.labels import method_label
from nasperf360.tables.comparisons import mean_ranks, sentences

COLUMNS = ["method", "mean_rank", "tasks", "friedman_p", "critical_difference", "sentence"]
ROW = 0.2  # inches of a method, and of the bars


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, tasks: pd.DataFrame) -> pd.DataFrame:
    """A row per method from the best to the worst, columns :data:`COLUMNS`; one without a method where none is."""
    found = mean_ranks(performance)
    placed = found.ranks.sort_values(kind="stable")
    rows = placed.rename_axis("method").rename("mean_rank").reset_index()
    return rows.reindex(range(max(len(rows), 1))).assign(
        tasks=len(found.errors),
        friedman_p=found.friedman_p,
        critical_difference=found.critical_difference,
        sentence=" ".join(sentences(found)),
    )[COLUMNS]


def draw(numbers: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Methods from top to bottom at their mean ranks; bars join those closer than the critical difference."""
    with style.context():
        shown = numbers.dropna(subset="mean_rank").reset_index(drop=True)
        sentence = numbers["sentence"].iloc[0]
        notes = "\n".join(style.wrapped([sentence]))
        if shown.empty:
            figure = Figure(figsize=(style.WIDTH, 1))
            style.empty(figure, notes)
            return figure
        groups = _groups(shown["mean_rank"].to_numpy(), shown["critical_difference"].iloc[0])
        figure = Figure(figsize=(style.WIDTH, 1.2 + ROW * (len(shown) + len(groups))))
        axes = figure.subplots()
        for place, row in enumerate(shown.itertuples()):
            look = style.look(row.method)
            axes.plot(row.mean_rank, place, marker=look.marker, color=look.colour, ms=6, ls="", zorder=3)
            axes.annotate(
                f"{row.mean_rank:.2f}", (row.mean_rank, place), (8, 0), textcoords="offset points", va="center"
            )
        for place, (first, last) in enumerate(groups, len(shown)):
            _bar(axes, shown["mean_rank"][first], shown["mean_rank"][last], place, "within the critical difference")
        axes.set_yticks(range(len(shown)), [method_label(method) for method in shown["method"]])
        axes.set_ylim(len(shown) + len(groups) - 0.5, -1.6)
        axes.set_xlim(0.9, len(shown) + 0.1)
        axes.set_xticks(range(1, len(shown) + 1))
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        difference = shown["critical_difference"].iloc[0]
        if np.isfinite(difference):
            _bar(axes, 1, 1 + difference, -1, f"critical difference {difference:.2f}", style.GREY)
        label = f"Mean rank on {shown['tasks'].iloc[0]} tasks, among the methods that have all of them"
        figure.supxlabel("\n".join([label, notes]), fontsize=8)
        return figure


def _bar(axes: Axes, left: float, right: float, height: float, words: str, colour: str = "black") -> None:
    axes.plot([left, right], [height, height], color=colour, lw=2.5, solid_capstyle="butt", clip_on=False)
    axes.annotate(words, (right, height), (5, 0), textcoords="offset points", va="center", color=colour, fontsize=7)


def _groups(ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """First and last place of each longest row of methods whose ranks lie within the difference."""
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int((ranks <= rank + difference).sum()) - 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups
