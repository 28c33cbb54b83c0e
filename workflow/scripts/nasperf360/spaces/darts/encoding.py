"""Architectures of the ``darts`` space: two cells of four nodes, stacked to a network.

On dense tasks there is one cell only: the reference code removed reductions there and never doubled the channels.
Source: Liu et al. 2019; reference code, darts/gaea, gaea-dense, darts_1d/gaea.
"""

import numpy as np

from nasperf360.spaces.darts.spec import SPEC, DartsSettings
from nasperf360.spaces.shared.cells import CellEncoding
from nasperf360.spaces.shared.encoding import Architecture

NODES = 4


def cell_kinds(dense: bool) -> tuple[str, ...]:
    """The cells that networks of a task have."""
    return ("normal",) if dense else ("normal", "reduce")


class DartsEncoding(CellEncoding):
    """An architecture is ``{"space": "darts", "normal": cell, "reduce": cell}``; dense tasks need no ``reduce``.

    A cell lists two ``[operation, input]`` pairs per node, eight in all.
    """

    spec = SPEC
    settings: DartsSettings
    nodes = NODES

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that networks of this task have."""
        return cell_kinds(self.signature.dense)

    def sample(self, rng: np.random.Generator) -> Architecture:
        return {"space": self.spec.name, **{kind: self.sample_cell(rng) for kind in self.cells}}

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)
        if unknown := architecture.keys() - {"space", "normal", "reduce"}:
            raise self.refusal(f"unknown key '{min(unknown)}', allowed are normal, reduce")
        if missing := [kind for kind in self.cells if kind not in architecture]:
            raise self.refusal(f"the cell '{missing[0]}' is missing")
        for kind in sorted(architecture.keys() - {"space"}):
            self.check_cell(kind, architecture[kind])
