"""The network that a DARTS genotype describes, with drop-path and without the auxiliary head.

Source: reference code, darts/gaea/eval/model.py, gaea-dense/model_eval.py, darts_1d/gaea/eval/model.py.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from nasperf360.networks.darts_operations import FactorizedReduce, Layers, as_image, make_operation, relu_conv_norm

Cell = Sequence[tuple[str, int]]
"""Two (operation, input) pairs per node; inputs 0 and 1 are the two cells before, node n is input n + 2."""


def reductions(layers: int, dense: bool) -> tuple[int, ...]:
    """Positions of the reduction cells: at a third and two thirds of the depth; none for dense tasks."""
    return () if dense else (layers // 3, 2 * layers // 3)


class Head(nn.Module):
    """Mean over the positions and a linear layer; for dense tasks a linear layer per pixel."""

    def __init__(self, channels: int, outputs: int, dense: bool):
        super().__init__()
        self.linear, self.dense = nn.Linear(channels, outputs), dense

    def forward(self, x: Tensor) -> Tensor:
        if self.dense:
            return self.linear(x.movedim(1, -1)).movedim(-1, 1)
        return self.linear(x.flatten(2).mean(2))


def make_stem(channels_in: int, channels_out: int, stride: int, layers: Layers) -> nn.Sequential:
    """A 3x3 convolution and a default batch normalisation, no ReLU."""
    return nn.Sequential(
        layers.conv(channels_in, channels_out, 3, stride), replace(layers, norm={}).batch_norm(channels_out)
    )


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero each sample's ``x`` with the given probability, and scale the others by the inverse of the rest."""
    keep = 1 - probability
    mask = torch.rand(len(x), device=x.device) < keep
    return x * (mask.to(x.dtype) / keep).view(-1, *(1,) * (x.ndim - 1))


class EvaluationCell(nn.Module):
    """One cell: each node adds two operations on earlier nodes or on the two cells before; the nodes are joined."""

    def __init__(
        self, cell: Cell, channels_in: tuple[int, int], channels: int, *, reduce: bool, after_reduce: bool,
        layers: Layers, preprocess: Layers,
    ):  # fmt: skip
        super().__init__()
        self.preprocess0 = (
            FactorizedReduce(channels_in[0], channels, preprocess)
            if after_reduce
            else relu_conv_norm(channels_in[0], channels, preprocess)
        )
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


class EvaluationNetwork(nn.Module):
    """Stacked cells of a genotype. Maps (B, channels, ...) to (B, outputs), or (B, outputs, H, W) for dense tasks.

    Args:
        input_channels: of the input.
        outputs: classes, or channels per pixel.
        normal: of all cells but the reductions.
        reduce: of the reduction cells, whose edges from the two inputs have stride 2; unused for dense tasks.
        width: channels per node of the first cells; doubled by each reduction.
        depth: cells.
        dimensions: 1 or 2.
        dense: one output per pixel and no reduction.
        drop_path: probability at the end of the ramp from 0.
        drop_path_epochs: epochs of the ramp; None: as many as are trained.
        norm: momentum and eps of the batch normalisation in the cells, all of it or that of the inputs alone.
        norm_operations: whether ``norm`` also holds inside operations.
        stem_stride: of the first convolution; 2 for a network at half the resolution. Point tasks only.
    """

    def __init__(
        self, input_channels: int, outputs: int, *, normal: Cell, reduce: Cell, width: int = 36, depth: int = 20,
        dimensions: int = 2, dense: bool = False, drop_path: float = 0.0, drop_path_epochs: int | None = None,
        norm: dict[str, float] | None = None, norm_operations: bool = True,
        stem_stride: int = 1,
    ):  # fmt: skip
        super().__init__()
        plain = Layers(dimensions)
        special = replace(plain, norm=norm or {})
        self.stem = make_stem(input_channels, 3 * width, stem_stride, plain)
        self.cells = nn.ModuleList()
        before, last, after_reduce = 3 * width, 3 * width, False
        for position in range(depth):
            reducing = position in reductions(depth, dense)
            width *= 2 if reducing else 1
            self.cells.append(
                EvaluationCell(
                    reduce if reducing else normal,
                    (before, last),
                    width,
                    reduce=reducing,
                    after_reduce=after_reduce,
                    layers=special if norm_operations else plain,
                    preprocess=special,
                )
            )
            before, last, after_reduce = last, 4 * width, reducing
        self.head = Head(last, outputs, dense)
        self.drop_path, self.drop_path_epochs, self.dropping = drop_path, drop_path_epochs, 0.0

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the drop-path probability of an epoch: a linear ramp."""
        self.dropping = self.drop_path * epoch / (self.drop_path_epochs or epochs)

    def forward(self, x: Tensor) -> Tensor:
        s0 = s1 = self.stem(as_image(x).contiguous(memory_format=torch.channels_last))
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, self.dropping)
        return self.head(s1)
