"""Ours: median ranks and improvements of the methods under each corrected choice of the protocol."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.labels import method_label

ROW = 0.3  # inches of a choice
SPREAD = 0.7  # height of a choice's group of methods, of the distance between choices
PANELS = {"median_rank": "Median rank (1: best)", "median_improvement": "Median improvement over WRN default, %"}
MISSING = "Hollow: some experiments of the method have no result under this choice."
FAILED = "Not drawn: a median improvement of −∞, where most of a method's tasks failed."
EMPTY = "A choice without marks: its run was not started, or has no result."


def draw(table: pd.DataFrame) -> Figure:
    """A row per choice, a mark per method; dotted lines lead from the published protocol's values downwards.

    Args:
        table: as ``tables.conclusions.conclusions`` gives it.
    """
    with style.context():
        choices, methods = list(dict.fromkeys(table["choice"])), list(dict.fromkeys(table["method"]))
        shown = table.assign(
            place=table["choice"].map(choices.index)
            + (table["method"].map(methods.index) - (len(methods) - 1) / 2) * SPREAD / len(methods),
            hollow=table["missing"].fillna(0) > 0,
        )
        drawn = shown.dropna(subset="median_rank")
        notes = [MISSING] if drawn["hollow"].any() else []
        notes += [FAILED] if np.isinf(drawn["median_improvement"]).any() else []
        notes += [EMPTY] if set(drawn["choice"]) < set(choices) else []
        notes = style.wrapped(notes)
        height = 1.1 + ROW * len(choices) + style.NOTE_HEIGHT * len(notes)
        figure = Figure(figsize=(style.WIDTH, height))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
            for edge in np.arange(len(choices) - 1) + 0.5:
                axes.axhline(edge, color="#e3e3e3", lw=0.6, zorder=0)
            for method in methods:
                look, rows = style.look(method), drawn[drawn["method"] == method]
                rows = rows[np.isfinite(rows[column])]
                for hollow, points in rows.groupby("hollow"):
                    axes.scatter(
                        points[column],
                        points["place"],
                        s=20,
                        marker=look.marker,
                        facecolors="none" if hollow else look.colour,
                        edgecolors=look.colour,
                        lw=0.8,
                        zorder=3,
                    )
                first = rows[rows["choice"] == choices[0]]
                if len(first):
                    start = first[column].iloc[0]
                    axes.plot([start, start], [0, len(choices) - 0.5], color=look.colour, lw=0.7, ls=":", zorder=1)
            axes.set_xlabel(title)
            axes.grid(False, axis="y")
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(choices)), choices)
        panels[0].set_ylim(len(choices) - 0.5, -0.5)
        if notes:
            figure.supxlabel("\n".join(notes), fontsize=8)
        style.legend(figure, style.marks(methods), [method_label(method) for method in methods], handletextpad=0.1)
        return figure
