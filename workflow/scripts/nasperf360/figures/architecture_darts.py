"""Cells of the ``darts`` space: normal and reduction cell side by side, a row per task."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from nasperf360.figures import diagram, style

CELLS = {"normal": "normal cell", "reduce": "reduction cell"}
INPUTS = ("cell − 2", "cell − 1")


def draw(architectures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Architectures by title of their task; on dense tasks there is no reduction cell."""
    kinds = [kind for kind in CELLS if any(kind in architecture for architecture in architectures.values())]
    figure = Figure(figsize=(style.WIDTH, 0.6 + 1.5 * len(architectures)))
    panels = figure.subplots(len(architectures), len(kinds), squeeze=False)
    used: set[str] = set()
    for row, (title, architecture) in zip(panels, architectures.items(), strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            axes.set_axis_off()
            if kind in architecture:
                diagram.cell(axes, f"{title}, {CELLS[kind]}", architecture[kind], INPUTS)
                used |= {operation for operation, _ in architecture[kind]}
    diagram.legend(figure, [stroke for name, stroke in diagram.OPERATIONS.items() if name in used])
    return figure
