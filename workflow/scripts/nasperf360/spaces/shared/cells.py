"""Architectures made of DARTS' cells: how a cell is drawn, checked and read from mixture weights. No torch here.

A cell has two inputs, the outputs of the two cells before, and nodes that each add two operations on inputs or earlier
nodes: two ``[operation, input]`` pairs per node, where inputs 0 and 1 are those of the cell and node n (from 0) is
input n + 2. A supernet has an edge from each input and earlier node to each node; they are counted node by node.

Source: Liu et al. 2019 (DARTS).
"""

from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from nasperf360.spaces.shared.encoding import Encoding

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def edges(nodes: int) -> int:
    """Number of edges of a supernet's cell."""
    return sum(range(2, nodes + 2))


def edges_from(source: int, nodes: int) -> list[int]:
    """The edges from an input or a node to each later node."""
    return [edges(node) + source for node in range(max(0, source - 1), nodes)]


def edges_by_source(nodes: int) -> tuple[list[int], list[int]]:
    """The edges of a supernet's cell source by source, those from the first input first; and how many leave each."""
    leaving = [edges_from(source, nodes) for source in range(nodes + 1)]
    return [edge for group in leaving for edge in group], [len(group) for group in leaving]


class CellEncoding(Encoding):
    """Base class of encodings with cells."""

    nodes: ClassVar[int]

    @property
    def operations(self) -> tuple[str, ...]:
        """What a pair may hold, in the order of :data:`OPERATIONS`."""
        return OPERATIONS[1:]

    def sample_cell(self, rng: np.random.Generator) -> list[list[Any]]:
        """A cell drawn uniformly: for each node two different inputs, each with an operation."""
        cell: list[list[Any]] = []
        for node in range(self.nodes):
            inputs = list(combinations(range(node + 2), 2))
            for source in inputs[rng.integers(len(inputs))]:
                cell.append([self.operations[rng.integers(len(self.operations))], source])
        return cell

    def check_cell(self, key: str, cell: Any) -> None:
        """Refuse what is no cell of this space; ``key`` is its name in the architecture.

        Raises:
            UserError: it is not a list of pairs, or a token is out of range.
        """
        if not isinstance(cell, list | tuple) or len(cell) != 2 * self.nodes:
            raise self.refusal(f"'{key}' must be a list of {2 * self.nodes} pairs [operation, input]")
        for number, pair in enumerate(cell):
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise self.refusal(f"'{pair}' in '{key}' is not a pair [operation, input]")
            (operation, source), node = pair, number // 2
            if operation not in self.operations:
                allowed = ", ".join(self.operations)
                raise self.refusal(f"unknown operation '{operation}' in '{key}', allowed are {allowed}")
            if type(source) is not int or not 0 <= source < node + 2:
                raise self.refusal(f"input {source} of node {node} in '{key}', allowed are 0 to {node + 1}")

    def discretize(self, weights: np.ndarray) -> list[list[Any]]:
        """The cell that mixture weights favour.

        Per node the two edges whose best operation other than ``none`` weighs most, each with the best operation of
        this space, which may be ``none`` where that is one of them (reference code, decoding_formulas.py).

        Args:
            weights: (edges, 8), of :data:`OPERATIONS` on each edge.
        """
        cell: list[list[Any]] = []
        columns = weights[:, -len(self.operations) :]
        for node in range(self.nodes):
            first = edges(node)
            rows = range(first, first + node + 2)
            for row in sorted(rows, key=lambda row: -weights[row, 1:].max())[:2]:
                cell.append([self.operations[int(columns[row].argmax())], row - first])
        return cell
