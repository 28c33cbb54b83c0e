"""Architectures of the ``autodl`` space: one cell of five nodes, and a path through four levels of resolution.

Dense 2-D tasks only. Source: Liu et al. 2019 (Auto-DeepLab); reference code, autodeeplab/.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nasperf360.errors import UserError
from nasperf360.spaces.autodl.level_paths import LEVELS, is_path, random_path
from nasperf360.spaces.autodl.spec import SPEC, AutoDeepLabSettings
from nasperf360.spaces.shared.cells import OPERATIONS, CellEncoding
from nasperf360.spaces.shared.encoding import Architecture

NODES = 5

# What the authors of the reimplementation found on Cityscapes (github.com/NoamRosenberg/autodeeplab).
CITYSCAPES_PATH = (1, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
CITYSCAPES_CELL = (
    ("dil_conv_5x5", 0), ("sep_conv_3x3", 1),
    ("sep_conv_3x3", 0), ("dil_conv_3x3", 1),
    ("sep_conv_3x3", 0), ("sep_conv_3x3", 3),
    ("sep_conv_5x5", 2), ("sep_conv_5x5", 4),
    ("dil_conv_5x5", 5), ("sep_conv_5x5", 4),
)  # fmt: skip


def ascending(cell: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The cell with the inputs of each node in ascending order, its operations in the order they had.

    The reference lists the edges of a node by weight, then walks its inputs from the first on and takes the operations
    as listed: two that were listed the other way round change places (retrain_model/new_model.py).
    """
    pairs: list[list[Any]] = []
    for node in range(0, len(cell), 2):
        (first, one), (second, other) = cell[node : node + 2]
        pairs += [[first, min(one, other)], [second, max(one, other)]]
    return pairs


class AutoDeepLabEncoding(CellEncoding):
    """An architecture is ``{"space": "autodl", "path": levels, "cell": pairs}``.

    ``path``: level of each layer, 0 (stride 4) to 3 (stride 32), one step at most from layer to layer, the first from
    level 0. ``cell``: two ``[operation, input]`` pairs per node, ten in all.
    """

    spec = SPEC
    settings: AutoDeepLabSettings
    nodes = NODES

    @property
    def operations(self) -> tuple[str, ...]:
        return OPERATIONS if self.settings.none else OPERATIONS[1:]

    def default(self) -> Architecture:
        """The published architecture for Cityscapes, or its first layers.

        Raises:
            UserError: it has fewer layers than the settings ask for.
        """
        if self.settings.layers > len(CITYSCAPES_PATH):
            raise UserError(
                f"spaces.autodl: layers {self.settings.layers}; the default architecture has only "
                f"{len(CITYSCAPES_PATH)}, search instead"
            )
        return self.compose(CITYSCAPES_PATH[: self.settings.layers], CITYSCAPES_CELL)

    def sample(self, rng: np.random.Generator) -> Architecture:
        cell = self.sample_cell(rng)
        return self.compose(random_path(rng, self.settings.layers), cell)

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)
        if unknown := architecture.keys() - {"space", "path", "cell"}:
            raise self.refusal(f"unknown key '{min(unknown)}', allowed are path and cell")
        path = architecture.get("path")
        if not isinstance(path, list | tuple) or len(path) != self.settings.layers:
            raise self.refusal(f"'path' must be a list of {self.settings.layers} levels")
        if not all(type(level) is int for level in path) or not is_path(path):
            raise self.refusal(
                f"path {list(path)}: levels are 0 to {LEVELS - 1}, one step at most from the last, from 0 on"
            )
        self.check_cell("cell", architecture.get("cell"))

    def compose(self, path: Sequence[int], cell: Sequence[Sequence[Any]]) -> Architecture:
        """The architecture of a path and a cell; with ``slips``, of the cell that the reference trains."""
        if self.settings.slips:
            cell = ascending(cell)
        return {"space": self.spec.name, "path": list(path), "cell": [list(pair) for pair in cell]}
