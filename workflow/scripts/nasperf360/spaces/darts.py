"""The ``darts`` space: two cells of four nodes, eight operations on each of 14 edges, stacked to a network.

On dense tasks there is one cell only: the reference code removed reductions there and never doubled the channels.
Source: Liu et al. 2019 and Xu et al. 2020 (partial channels); reference code, darts/gaea, gaea-dense, darts_1d/gaea.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from nasperf360.errors import UserError
from nasperf360.networks.cells import DARTS_NODES as NODES
from nasperf360.networks.cells import OPERATIONS
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from nasperf360.networks.supernet import Supernet


class DartsSpace(SearchSpace):
    """An architecture is ``{"space": "darts", "normal": cell, "reduce": cell}``; dense tasks need no ``reduce``.

    A cell lists two ``[operation, input]`` pairs per node, eight in all: inputs 0 and 1 are the two cells before,
    node n (from 0) is input n + 2. Settings: ``search`` (width, depth, partial, form) and ``evaluation`` (width,
    depth, drop_path, drop_path_epochs, norm, norm_operations), see SearchNetwork and EvaluationNetwork.
    """

    name = "darts"
    has_supernet = True
    setting_names = SettingNames.of(
        optional="width:count depth:count partial:count form:grouped|plain stem_stride:count"
    ).within("search") + SettingNames.of(
        optional="width:count depth:count stem_stride:count drop_path:chance drop_path_epochs:count "
        "norm.momentum:fraction norm.eps:positive norm_operations:flag"
    ).within("evaluation")

    def check_settings(self) -> None:
        search = self.settings.get("search", {})
        width, depth, among = search.get("width", 16), search.get("depth", 8), 2 * search.get("partial", 4)
        if width % among:
            raise UserError(f"spaces.darts: search width {width}; it must be a multiple of {among} (2 * partial)")
        if depth < 3:
            raise UserError(f"spaces.darts: search depth {depth}; it must be at least 3 to hold both kinds of cells")
        for part in ("search", "evaluation"):
            stride = self.settings.get(part, {}).get("stem_stride", 1)
            if self.signature.dense and stride != 1:
                raise UserError(
                    f"spaces.darts: {part} stem_stride {stride}; networks of dense tasks keep the size, it must be 1"
                )

    @property
    def cells(self) -> tuple[str, ...]:
        """The kinds of cells that networks of this task have."""
        return ("normal",) if self.signature.dense else ("normal", "reduce")

    def sample(self, rng: np.random.Generator) -> Architecture:
        def cell() -> list[list[Any]]:
            pairs: list[list[Any]] = []
            for node in range(NODES):
                inputs = list(combinations(range(node + 2), 2))
                for source in inputs[rng.integers(len(inputs))]:
                    pairs.append([OPERATIONS[1 + rng.integers(len(OPERATIONS) - 1)], source])
            return pairs

        return {"space": self.name, **{kind: cell() for kind in self.cells}}

    def check(self, architecture: Architecture) -> None:
        self._check_space(architecture)
        if unknown := set(architecture) - {"space", "normal", "reduce"}:
            raise UserError(f"architecture of space 'darts': unknown key '{min(unknown)}'; allowed are normal, reduce")
        for kind in self.cells:
            if kind not in architecture:
                raise UserError(f"architecture of space 'darts': the cell '{kind}' is missing; search again")
        for kind in architecture.keys() - {"space"}:
            _check_cell(kind, architecture[kind])

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        self.check_settings()
        from nasperf360.networks.darts_network import EvaluationNetwork

        return EvaluationNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            normal=architecture["normal"],
            reduce=architecture.get("reduce", []),
            dimensions=self.signature.dimensions,
            dense=self.signature.dense,
            **self.settings.get("evaluation", {}),
        )

    def supernet(self) -> Supernet:
        self.check_settings()
        from nasperf360.networks.darts_search import SearchNetwork

        return SearchNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            dimensions=self.signature.dimensions,
            dense=self.signature.dense,
            **self.settings.get("search", {}),
        )

    def derive(self, supernet: Supernet) -> Architecture:
        """Per node the two edges whose best operation weighs most, each with that operation; never ``none``."""
        return {
            "space": self.name,
            **{
                kind: strongest(supernet.mixture(f"operations_{kind}"), supernet.mixture(f"edges_{kind}"))
                for kind in self.cells
            },
        }


def strongest(operations: Tensor, edges: Tensor) -> list[list[Any]]:
    """The cell that mixture weights favour.

    Args:
        operations: (14, 8), weights of the operations on each edge, node by node.
        edges: (14,), weights of the edges of each node.
    """
    weights = (operations * edges[:, None])[:, 1:].detach().double().cpu().numpy()
    cell: list[list[Any]] = []
    first = 0
    for node in range(NODES):
        rows = weights[first : first + node + 2]
        best = sorted(range(node + 2), key=lambda source: -rows[source].max())[:2]
        cell += [[OPERATIONS[1 + int(rows[source].argmax())], source] for source in best]
        first += node + 2
    return cell


def _check_cell(kind: str, cell: Any) -> None:
    def refuse(what: str) -> UserError:
        return UserError(f"architecture of space 'darts': cell '{kind}': {what}; search again")

    if not isinstance(cell, list | tuple) or len(cell) != 2 * NODES:
        raise refuse(f"expected {2 * NODES} pairs [operation, input]")
    for number, pair in enumerate(cell):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise refuse(f"'{pair}' is not a pair [operation, input]")
        name, source = pair
        if name not in OPERATIONS[1:]:
            raise refuse(f"unknown operation '{name}', allowed are {', '.join(OPERATIONS[1:])}")
        node = number // 2
        if type(source) is not int or not 0 <= source < node + 2:
            raise refuse(f"input {source} of node {node}, allowed are 0 to {node + 1}")


SPACE = DartsSpace
