"""Networks of the ``amber`` space: layers from left to right, their residual connections as arcs, a row per task."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasperf360.figures import diagram, style

LABELS = {
    "conv_8": "conv 8",
    "conv_4": "conv 4",
    "conv_8_dilation_10": "conv 8\ndilated",
    "conv_4_dilation_10": "conv 4\ndilated",
    "max_pool_4": "max\npool 4",
    "avg_pool_4": "average\npool 4",
    "identity": "identity",
}
COLOURS = {"conv": "#d6e6f4", "max": "#d5efe6", "avg": "#f6e1ee", "identity": "#ffffff"}
SKIP = diagram.Stroke("", diagram.BLUE, 0.7)


def draw(architectures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Architectures by title of their task."""
    figure = Figure(figsize=(style.WIDTH, 0.3 + 1.9 * len(architectures)))
    panels = figure.subplots(len(architectures), 1, squeeze=False)[:, 0]
    for axes, (title, architecture) in zip(panels, architectures.items(), strict=True):
        _network(axes, title, architecture["layers"])
    return figure


def _network(axes: Axes, title: str, layers: list[dict[str, Any]]) -> None:
    end = len(layers)
    diagram.panel(axes, title, -1.6, end + 0.6, -0.6, 2.6)
    diagram.node(axes, -1, 0, "stem", "#ffffff", 5.5)
    diagram.node(axes, end, 0, "head", "#ffffff", 5.5)
    axes.plot([-1, end], [0, 0], color=style.GREY, lw=0.8, zorder=1)
    for index, layer in enumerate(layers):
        operation = layer["operation"]
        diagram.node(axes, index, 0, LABELS.get(operation, operation), _colour(operation), 5.5)
        for source in layer["skips"]:
            diagram.arc(axes, (source, 0.12), (index, 0.12), SKIP, below=False)


def _colour(operation: str) -> str:
    return COLOURS.get(operation.partition("_")[0], "#ffffff")
