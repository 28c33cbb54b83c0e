"""Networks of the ``autodl`` space: the path through the levels of resolution, and the cell, a row per task."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasperf360.figures import diagram, style
from nasperf360.spaces.autodl.level_paths import LEVELS

STRIDES = [4 * 2**level for level in range(LEVELS)]
INPUTS = ("cell − 2", "cell − 1")


def draw(architectures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Architectures by title of their task."""
    figure = Figure(figsize=(style.WIDTH, 0.6 + 1.7 * len(architectures)))
    panels = figure.subplots(len(architectures), 2, squeeze=False)
    used: set[str] = set()
    for (left, right), (title, architecture) in zip(panels, architectures.items(), strict=True):
        _path(left, f"{title}, path", architecture["path"])
        diagram.cell(right, "cell", architecture["cell"], INPUTS)
        used |= {operation for operation, _ in architecture["cell"]}
    diagram.legend(figure, [stroke for name, stroke in diagram.OPERATIONS.items() if name in used])
    return figure


def _path(axes: Axes, title: str, path: Sequence[int]) -> None:
    """Layers from left to right, resolution falling downwards; the layers that the path takes are joined."""
    diagram.panel(axes, title, -1.6, len(path) + 0.4, -LEVELS + 0.4, 0.6)
    for level, stride in enumerate(STRIDES):
        axes.text(-1.5, -level, f"1/{stride}", fontsize=6.5, va="center", color=style.GREY)
    grid = [(layer, -level) for layer in range(1, len(path) + 1) for level in range(LEVELS) if level <= layer]
    axes.scatter([layer for layer, _ in grid], [height for _, height in grid], s=7, color="#cccccc", zorder=1)
    points = [(0, 0), *((layer, -level) for layer, level in enumerate(path, 1))]
    axes.plot(*zip(*points, strict=True), color=diagram.BLUE, lw=1.4, marker="o", ms=4.5, zorder=3)
    diagram.node(axes, 0, 0, "stem", "#ffffff", 6)
