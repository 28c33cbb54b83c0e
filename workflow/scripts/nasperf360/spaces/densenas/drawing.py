"""Paths of the ``densenas`` space: every block of a network as a bar as high as its channels, a panel per task."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasperf360.figures import diagram, style

COLUMNS = 2
HEADROOM = 1.2  # height of a panel over its highest bar, for the number on it
BAR, STEP, GAP = 0.8, 1.0, 3.0  # width of a bar, from bar to bar, and more between blocks of different width


def draw(architectures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Architectures by title of their task."""
    rows = -(-len(architectures) // COLUMNS)
    figure = Figure(figsize=(style.WIDTH, 0.5 + 1.35 * rows))
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (title, architecture) in zip(panels, architectures.items(), strict=False):
        _path(axes, title, architecture["channels"], architecture["layers"])
    most = max((max(architecture["channels"]) for architecture in architectures.values()), default=1)
    panels[0].set_ylim(0, most * HEADROOM)
    figure.supxlabel("From input to output: the stem, then a bar per basic block, as high as its channels", fontsize=8)
    return figure


def _path(axes: Axes, title: str, channels: Sequence[int], layers: Sequence[int]) -> None:
    """``layers`` counts the basic blocks of each width after its first; the stem, first of ``channels``, has none."""
    axes.set_title(title, fontsize=8, loc="left")
    left = 0.0
    for number, (width, count) in enumerate(zip(channels, [1, *(1 + depth for depth in layers)], strict=True)):
        places = [left + STEP * bar for bar in range(count)]
        axes.bar(places, width, BAR, align="edge", color=diagram.ORANGE if number else style.GREY, lw=0)
        middle = (places[0] + places[-1] + BAR) / 2
        axes.annotate(str(width), (middle, width), (0, 2), textcoords="offset points", ha="center", fontsize=6)
        left = places[-1] + STEP + GAP
    axes.axhline(0, color=style.GREY, lw=0.6)
