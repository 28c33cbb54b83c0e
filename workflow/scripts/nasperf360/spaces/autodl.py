"""The ``autodl`` space: one cell of five nodes, and a path through four levels of resolution. Dense 2-D tasks only.

Source: Liu et al. 2019 (Auto-DeepLab); reference code, autodeeplab/.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from nasperf360.errors import UserError
from nasperf360.networks.cells import AUTODL_NODES as NODES
from nasperf360.networks.cells import OPERATIONS
from nasperf360.networks.level_paths import LEVELS, best_path, is_path, random_path
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from nasperf360.networks.supernet import Supernet

LAYERS = 12
FEWEST_LAYERS = 3  # the coarsest level is three steps from the stem; the decoder reads the third layer

# What the authors of the reimplementation found on Cityscapes (github.com/NoamRosenberg/autodeeplab).
CITYSCAPES_PATH = (1, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
CITYSCAPES_CELL = (
    ("dil_conv_5x5", 0), ("sep_conv_3x3", 1),
    ("sep_conv_3x3", 0), ("dil_conv_3x3", 1),
    ("sep_conv_3x3", 0), ("sep_conv_3x3", 3),
    ("sep_conv_5x5", 2), ("sep_conv_5x5", 4),
    ("dil_conv_5x5", 5), ("sep_conv_5x5", 4),
)  # fmt: skip


class AutoDeepLabSpace(SearchSpace):
    """An architecture is ``{"space": "autodl", "path": levels, "cell": pairs}``.

    ``path``: level of each layer, 0 (stride 4) to 3 (stride 32), one step at most from layer to layer, the first from
    level 0. ``cell``: two ``[operation, input]`` pairs per node, ten in all: inputs 0 and 1 are the two cells before,
    node n (from 0) is input n + 2.

    Settings: ``layers``; ``pad_to``, the multiple that images are padded to, of 32; ``none``, whether cells may hold
    the operation ``none``, as published; ``search`` (width) and ``evaluation`` (width, stem, aspp, low_level, dropout),
    see SearchNetwork and EvaluationNetwork.
    """

    name = "autodl"
    has_supernet = True
    setting_names = SettingNames.of(
        optional="layers:count pad_to:count none:flag search.width:count evaluation.width:count evaluation.stem:count "
        "evaluation.aspp:count evaluation.low_level:count evaluation.dropout:pair"
    )

    def check_settings(self) -> None:
        _ = self.layers, self.pad_to

    @classmethod
    def serves(cls, dimensions: int, dense: bool) -> bool:
        return dimensions == 2 and dense

    @property
    def layers(self) -> int:
        """Layers of cells, in the search and after."""
        layers = int(self.settings.get("layers", LAYERS))
        if layers < FEWEST_LAYERS:
            raise UserError(f"spaces.autodl: layers {layers}; it must be at least {FEWEST_LAYERS}")
        return layers

    @property
    def pad_to(self) -> int:
        """The multiple that images are padded to."""
        multiple = int(self.settings.get("pad_to", 32))
        if multiple < 32 or multiple % 32:
            raise UserError(f"spaces.autodl: pad_to {multiple}; it must be a multiple of 32, the largest stride")
        return multiple

    @property
    def operations(self) -> tuple[str, ...]:
        """What an edge of a cell may hold."""
        return OPERATIONS if self.settings.get("none", True) else OPERATIONS[1:]

    def default(self) -> Architecture:
        """The published architecture for Cityscapes, or its first layers."""
        if self.layers > len(CITYSCAPES_PATH):
            raise UserError(
                f"spaces.autodl: layers {self.layers}; the default architecture has only {len(CITYSCAPES_PATH)}, "
                f"search instead"
            )
        return self._architecture(CITYSCAPES_PATH[: self.layers], CITYSCAPES_CELL)

    def sample(self, rng: np.random.Generator) -> Architecture:
        cell: list[tuple[str, int]] = []
        for node in range(NODES):
            inputs = list(combinations(range(node + 2), 2))
            for source in inputs[rng.integers(len(inputs))]:
                cell.append((self.operations[rng.integers(len(self.operations))], source))
        return self._architecture(random_path(rng, self.layers), cell)

    def check(self, architecture: Architecture) -> None:
        self._check_space(architecture)
        if unknown := set(architecture) - {"space", "path", "cell"}:
            raise _refusal(f"unknown key '{min(unknown)}', allowed are path and cell")
        path, cell = architecture.get("path"), architecture.get("cell")
        if not isinstance(path, list | tuple) or len(path) != self.layers:
            raise _refusal(f"'path' must be a list of {self.layers} levels")
        if not all(type(level) is int for level in path) or not is_path(path):
            raise _refusal(
                f"path {list(path)}: levels are 0 to {LEVELS - 1}, one step at most from the last, from 0 on"
            )
        if not isinstance(cell, list | tuple) or len(cell) != 2 * NODES:
            raise _refusal(f"'cell' must be a list of {2 * NODES} pairs [operation, input]")
        for number, pair in enumerate(cell):
            self._check_pair(number // 2, pair)

    def _check_pair(self, node: int, pair: Any) -> None:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _refusal(f"'{pair}' in the cell is not a pair [operation, input]")
        operation, source = pair
        if operation not in self.operations:
            raise _refusal(f"unknown operation '{operation}', allowed are {', '.join(self.operations)}")
        if type(source) is not int or not 0 <= source < node + 2:
            raise _refusal(f"input {source} of node {node}, allowed are 0 to {node + 1}")

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        from nasperf360.networks.autodl_network import EvaluationNetwork

        return EvaluationNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            path=architecture["path"],
            cell=architecture["cell"],
            pad_to=self.pad_to,
            **self.settings.get("evaluation", {}),
        )

    def supernet(self) -> Supernet:
        from nasperf360.networks.autodl_search import SearchNetwork

        return SearchNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            layers=self.layers,
            pad_to=self.pad_to,
            **self.settings.get("search", {}),
        )

    def derive(self, supernet: Supernet) -> Architecture:
        """The path of levels with the largest product of weights, and the strongest edges of the cell."""
        from nasperf360.networks.autodl_search import SearchNetwork

        assert isinstance(supernet, SearchNetwork)
        path = best_path(supernet.level_weights().detach().double().cpu().numpy())
        return self._architecture(path, strongest(supernet.mixture("operations"), self.operations))

    def _architecture(self, path: Any, cell: Any) -> Architecture:
        return {"space": self.name, "path": list(path), "cell": [list(pair) for pair in cell]}


def strongest(weights: Tensor, allowed: tuple[str, ...] = OPERATIONS) -> list[tuple[str, int]]:
    """The cell that mixture weights favour.

    Per node the two edges whose best operation other than ``none`` weighs most, each with its best operation, which
    may be ``none`` where that is allowed (reference code, decoding_formulas.py).

    Args:
        weights: (20, 8), of the operations on each edge, node by node.
        allowed: operations to choose from.
    """
    rows = weights.detach().double().cpu().numpy()
    cell: list[tuple[str, int]] = []
    first = 0
    skipped = len(OPERATIONS) - len(allowed)  # none comes first
    for node in range(NODES):
        edges = rows[first : first + node + 2]
        best = sorted(range(node + 2), key=lambda source: -edges[source, 1:].max())[:2]
        cell += [(allowed[int(edges[source, skipped:].argmax())], source) for source in best]
        first += node + 2
    return cell


def _refusal(what: str) -> UserError:
    return UserError(f"architecture of space 'autodl': {what}; delete its architecture.json and search again")


SPACE = AutoDeepLabSpace
