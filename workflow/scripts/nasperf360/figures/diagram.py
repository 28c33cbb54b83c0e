"""Pieces of the pictures of architectures: nodes on a line, arcs between them, a colour per operation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from nasperf360.figures import style

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # of Okabe and Ito, told apart by all


@dataclass(frozen=True)
class Stroke:
    """How an operation is drawn."""

    label: str
    colour: str
    width: float = 1.2
    dashes: Any = "-"


# Colour: the kind of operation; width: its kernel; dashes: dilation, and each operation without weights, so that no two
# differ in hue alone.
OPERATIONS = {
    "sep_conv_3x3": Stroke("separable 3", BLUE, 0.8),
    "sep_conv_5x5": Stroke("separable 5", BLUE, 1.9),
    "dil_conv_3x3": Stroke("dilated 3", ORANGE, 0.8, (0, (4, 1.2))),
    "dil_conv_5x5": Stroke("dilated 5", ORANGE, 1.9, (0, (4, 1.2))),
    "max_pool_3x3": Stroke("max pooling", GREEN, 1.4, (0, (1, 1))),
    "avg_pool_3x3": Stroke("average pooling", PINK, 1.4, (0, (5, 1.2, 1, 1.2))),
    "skip_connect": Stroke("skip", "black", 0.9),
    "none": Stroke("none", "#bbbbbb", 0.9, (0, (1, 2))),
}


def panel(axes: Axes, title: str, left: float, right: float, bottom: float, top: float) -> None:
    """An empty panel in its own units."""
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])  # else they are placed again at each drawing, although nobody sees them
    axes.set_title(title, fontsize=8, loc="left", y=1.0)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def node(axes: Axes, x: float, y: float, text: str, colour: str = "#eef2f7", size: float = 6) -> None:
    """A box with a word."""
    box = {"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": style.GREY, "linewidth": 0.6}
    axes.text(x, y, text, ha="center", va="center", fontsize=size, bbox=box, zorder=4)


def arc(axes: Axes, start: tuple[float, float], end: tuple[float, float], stroke: Stroke, *, below: bool) -> None:
    """An arrow from left to right, in an arc above or below the line; the longer, the higher."""
    bend = (0.4 + 0.55 / (end[0] - start[0])) * (1 if below else -1)
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=4.5,
            shrinkA=5,
            shrinkB=5.5,
            color=stroke.colour,
            linewidth=stroke.width,
            linestyle=stroke.dashes,
            zorder=2,
        )
    )


def legend(figure: Figure, strokes: Iterable[Stroke]) -> None:
    """One legend of the operations above all panels."""
    strokes = list(strokes)
    handles = [Line2D([], [], color=stroke.colour, lw=stroke.width, ls=stroke.dashes) for stroke in strokes]
    style.legend(figure, handles, [stroke.label for stroke in strokes], handlelength=2.6, columnspacing=1.6)


def cell(axes: Axes, title: str, pairs: Sequence[tuple[str, int]], inputs: Sequence[str]) -> None:
    """A cell of two inputs and nodes that each add up two operations; its output joins all nodes.

    The first operation of a node comes from above, the second from below, so that no two arrows lie on each other.

    Args:
        axes: an empty panel.
        title: of the panel.
        pairs: ``[operation, input]``, two per node: inputs 0 and 1 are those of the cell, node n is input n + 2.
        inputs: names of the two inputs.
    """
    nodes = len(pairs) // 2
    last = nodes + 2
    panel(axes, title, -0.4, last + 0.4, -1, 1)
    for position, text in enumerate([*inputs, *map(str, range(nodes)), "out"]):
        node(axes, position, 0, text, "#eef2f7" if 2 <= position < last else "#ffffff")
    for number, (operation, source) in enumerate(pairs):
        target = number // 2 + 2
        arc(axes, (source, 0), (target, 0), OPERATIONS[operation], below=number % 2 == 1)
    axes.annotate(
        "", (last - 0.3, 0), (last - 0.75, 0), arrowprops={"arrowstyle": "-|>", "color": "#bbbbbb", "lw": 0.9}
    )
