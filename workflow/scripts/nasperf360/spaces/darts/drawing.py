"""Cells of the ``darts`` space, four in a row: normal and reduction cell of a task side by side."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from nasperf360.figures import diagram, style

CELLS = {"normal": "normal cell", "reduce": "reduction cell"}
INPUTS = ("−2", "−1")
COLUMNS = 4


def draw(architectures: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Architectures by title of their task; on dense tasks there is no reduction cell.

    Tasks with both cells come first: an even number of columns keeps the two beside each other.
    """
    tasks = sorted(architectures, key=lambda title: "reduce" not in architectures[title])
    cells = [(title, kind) for title in tasks for kind in CELLS if kind in architectures[title]]
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(style.WIDTH, 0.7 + 1.05 * rows))
    grid = figure.add_gridspec(rows, columns)
    used: set[str] = set()
    for place, (title, kind) in enumerate(cells):
        pairs = architectures[title][kind]
        axes = figure.add_subplot(grid[divmod(place, columns)])
        diagram.cell(axes, f"{title}, {CELLS[kind]}", pairs, INPUTS)
        used |= {operation for operation, _ in pairs}
    figure.supxlabel("From left to right: the outputs of the two cells before, then the nodes of the cell", fontsize=8)
    diagram.legend(figure, [stroke for name, stroke in diagram.OPERATIONS.items() if name in used])
    return figure
