"""Panels of performance profiles, as several figures show them."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nasperf360.figures import style
from nasperf360.figures.profiles import panel_profiles
from nasperf360.labels import method_label
from nasperf360.tables.aggregate import error_matrix

Panels = dict[str, tuple[list[str], list[str]]]
"""Title of each panel -> its tasks and methods; those that the run lacks are left out."""


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, panels: Panels) -> pd.DataFrame:
    """The profiles of every panel: columns panel, method, tau, fraction, low, high, tasks.

    A panel whose tasks or methods the run lacks altogether has no rows.
    """
    errors = error_matrix(performance)
    curves = []
    for title, (tasks, methods) in panels.items():
        panel = errors.reindex(
            index=[task for task in tasks if task in errors.index],
            columns=[method for method in methods if method in errors.columns],
        )
        if panel.size:
            profiles = panel_profiles(panel, scores)
            profiles.insert(0, "panel", title)
            curves.append(profiles)
    columns = ["panel", "method", "tau", "fraction", "low", "high", "tasks"]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)


def draw(profiles: pd.DataFrame, titles: list[str]) -> Figure:
    """Profiles side by side: fraction of tasks against tau (logarithmic), bands shaded, one legend."""
    with style.context():
        figure = Figure(figsize=(style.WIDTH, 2.75))
        panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
        for axes, title in zip(panels, titles, strict=True):
            _panel(axes, profiles[profiles["panel"] == title], title)
        panels[0].set_ylabel("Fraction of tasks within factor τ")
        note = "; shaded: 95 % bootstrap bands over seeds" if profiles["low"].notna().any() else ""
        figure.supxlabel(f"Factor τ of the lowest error among the methods of the panel{note}", fontsize=8)
        methods = list(dict.fromkeys(profiles["method"]))
        handles = {
            label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if methods:
            style.legend(
                figure,
                [handles[method_label(method)] for method in methods],
                [method_label(method) for method in methods],
                handlelength=2.6,
                columnspacing=1.6,
            )
        return figure


def _panel(axes: Axes, profiles: pd.DataFrame, title: str) -> None:
    axes.set_title(title if profiles.empty else f"{title} (n = {profiles['tasks'].iloc[0]})")
    axes.set_ylim(-0.02, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if profiles.empty:
        axes.text(0.5, 0.5, "no results in this run", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set_xticks([])
        return
    for order, (method, curve) in enumerate(profiles.groupby("method", sort=False)):
        look = style.look(str(method))
        rises = curve["fraction"].diff().fillna(curve["fraction"].iloc[0]) > 0
        if curve["low"].notna().any():
            axes.fill_between(
                curve["tau"], curve["low"], curve["high"], step="post", color=look.colour, alpha=0.1, linewidth=0
            )
        axes.step(
            curve["tau"],
            curve["fraction"],
            where="post",
            color=look.colour,
            linestyle=look.dashes,
            linewidth=1.6,
            marker=look.marker,
            markersize=4,
            markevery=list(rises.to_numpy().nonzero()[0]),
            label=method_label(str(method)),
            zorder=3 + order / 100,
            clip_on=False,
        )
    style.log_axis(axes, "x", 1.0, profiles["tau"].max())
