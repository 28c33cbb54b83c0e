"""Panels of performance profiles, as several figures show them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nasperf360.figures import style
from nasperf360.figures.profiles import end_of_axis, panel_profiles
from nasperf360.labels import method_label
from nasperf360.tables.performance import error_matrix

Panels = dict[str, tuple[list[str], list[str]]]
"""Title of each panel -> its tasks and methods; those that the run lacks are left out."""

COLUMNS = ["panel", "method", "tau", "fraction", "low", "high", "tasks", "seeds"]


def numbers(performance: pd.DataFrame, scores: pd.DataFrame | None, panels: Panels) -> pd.DataFrame:
    """The profiles of every panel: columns :data:`COLUMNS`.

    A panel whose tasks or methods the run lacks altogether has no rows; a method of the run that no panel shows has one
    row, without a panel.
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
    shown = {method for curve in curves for method in curve["method"]}
    left_out = pd.DataFrame({"method": [method for method in errors.columns if method not in shown]})
    everything = pd.concat([*curves, left_out], ignore_index=True).reindex(columns=COLUMNS)
    return everything.astype({"tasks": "Int64", "seeds": "Int64"})


def draw(profiles: pd.DataFrame, titles: list[str]) -> Figure:
    """Profiles side by side: fraction of tasks against tau (logarithmic), bands shaded, one legend, notes below."""
    with style.context():
        notes = _notes(profiles)
        figure = Figure(figsize=(style.WIDTH, 2.75 + style.NOTE_HEIGHT * len(notes)))
        panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
        for axes, title in zip(panels, titles, strict=True):
            _panel(axes, profiles[profiles["panel"] == title], title)
        panels[0].set_ylabel("Fraction of tasks within factor τ")
        label = "Factor τ of the lowest error among the methods of the panel"
        figure.supxlabel("\n".join([label, *notes]), fontsize=8)
        methods = list(dict.fromkeys(profiles.dropna(subset="panel")["method"]))
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


def _notes(profiles: pd.DataFrame) -> list[str]:
    """Lines on what the bands are, and on the methods of the run that no panel shows."""
    notes = []
    if profiles["low"].notna().any():
        notes.append(f"Shaded: spread over resampled seeds, at most {profiles['seeds'].max()} per task and method.")
    left_out = profiles[profiles["panel"].isna()]["method"]
    if len(left_out):
        notes.append(f"Methods not shown: {', '.join(map(method_label, left_out))}.")
    return style.wrapped(notes)


def _panel(axes: Axes, profiles: pd.DataFrame, title: str) -> None:
    axes.set_title(title if profiles.empty else f"{title} (n = {profiles['tasks'].iloc[0]})")
    axes.set_ylim(-0.02, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if profiles.empty:
        axes.text(0.5, 0.5, "no results in this run", transform=axes.transAxes, ha="center", color=style.GREY)
        axes.set_xticks([])
        return
    end = _end(profiles)
    for order, (method, whole) in enumerate(profiles.groupby("method", sort=False)):
        look = style.look(str(method))
        _write_steps_beyond(axes, whole, end, look.colour)
        curve = _until(whole, end)
        rises = _rises(curve)
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
    style.log_axis(axes, "x", 1.0, end)


def _rises(curve: pd.DataFrame) -> pd.Series:
    """Where a profile takes a step."""
    return curve["fraction"].diff().fillna(curve["fraction"].iloc[0]) > 0


def _end(profiles: pd.DataFrame) -> float:
    """Where the axis of tau ends: behind the last step, or the last one before outliers."""
    steps = np.concatenate([curve["tau"][_rises(curve)] for _, curve in profiles.groupby("method")])
    return end_of_axis(steps[steps <= style.last_inlier(steps)])


def _until(curve: pd.DataFrame, end: float) -> pd.DataFrame:
    """The part of a curve up to ``end``, with a point there."""
    part = curve[curve["tau"] <= end]
    return pd.concat([part, part.tail(1).assign(tau=end)], ignore_index=True)


def _write_steps_beyond(axes: Axes, curve: pd.DataFrame, end: float, colour: str) -> None:
    """An arrow at the end of a curve whose next steps lie outside of the axis, and where."""
    beyond = curve[_rises(curve) & (curve["tau"] > end)]
    if len(beyond):
        height = curve[curve["tau"] <= end]["fraction"].iloc[-1]
        taus = ", ".join(f"{tau:.3g}" for tau in beyond["tau"])
        axes.annotate(
            f"next step at {taus} →",
            (end, height),
            (-2, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6.5,
            color=colour,
        )
