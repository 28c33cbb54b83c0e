"""The cell that a genotype describes, as it is trained from scratch.

Source: Liu et al. 2019; reference code, darts/gaea/eval/model.py, autodeeplab/retrain_model/.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nasperf360.spaces.shared.operations import FactorizedReduce, Layers, make_operation, relu_conv_norm

Cell = Sequence[tuple[str, int]]
"""Two (operation, input) pairs per node; inputs 0 and 1 are the two cells before, node n is input n + 2."""


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero each sample's ``x`` with the given probability, and scale the others by the inverse of the rest."""
    keep = 1 - probability
    mask = torch.rand(len(x), device=x.device) < keep
    return x * (mask.to(x.dtype) / keep).view(-1, *(1,) * (x.ndim - 1))


class EvaluationCell(nn.Module):
    """One cell: each node adds two operations on earlier nodes or on the two cells before; the nodes are joined.

    Args:
        cell: the genotype.
        channels_in: of the two cells before, the older first.
        channels: per node.
        reduce: whether operations on the cells before have stride 2.
        after_reduce: whether the cell before reduced.
        layers: of the operations.
        preprocess: of what the cells before pass through.
    """

    def __init__(
        self, cell: Cell, channels_in: tuple[int, int], channels: int, *, reduce: bool, after_reduce: bool,
        layers: Layers, preprocess: Layers,
    ):  # fmt: skip
        super().__init__()
        first = FactorizedReduce if after_reduce else relu_conv_norm
        self.preprocess0 = first(channels_in[0], channels, preprocess)
        self.preprocess1 = relu_conv_norm(channels_in[1], channels, preprocess)
        self.inputs = [source for _, source in cell]
        self.operations = nn.ModuleList(
            make_operation(name, channels, 2 if reduce and source < 2 else 1, layers) for name, source in cell
        )

    def forward(self, s0: Tensor, s1: Tensor, dropping: float) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        terms = list(zip(self.operations, self.inputs, strict=True))
        for node in range(0, len(terms), 2):
            first, second = (self._term(*term, states, dropping) for term in terms[node : node + 2])
            states.append(first + second)
        return torch.cat(states[2:], 1)

    def _term(self, operation: nn.Module, source: int, states: list[Tensor], dropping: float) -> Tensor:
        x = operation(states[source])
        if self.training and dropping > 0 and not isinstance(operation, nn.Identity):
            x = drop_path(x, dropping)
        return x
