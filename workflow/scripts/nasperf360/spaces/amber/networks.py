"""The networks of AMBER: twelve 1-D layers with residual connections, as a single network and with shared weights.

Source: paper section 4.1 (Zhang et al. 2021b); reference code, AMBER/amber/modeler and AMBER/examples/eval.py.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 3  # layers between two reductions
REDUCTION = 4  # of the length, at the end of a block
DROPOUT = 0.1

Layer = tuple[str, Sequence[int]]
"""Operation of a layer, and the earlier layers whose outputs it adds."""


class Convolution(nn.Module):
    """Convolution that keeps the length, BN, ReLU."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1):
        super().__init__()
        span = dilation * (kernel - 1)
        self.padding = (span // 2, span - span // 2)
        self.conv = nn.Conv1d(channels, channels, kernel, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, self.padding))))


class Pooling(nn.Module):
    """1x1 convolution, BN, ReLU, then maximum or average over four positions, keeping the length."""

    def __init__(self, channels: int, average: bool):
        super().__init__()
        self.conv = Convolution(channels, 1)
        self.average = average

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.average:
            # Positions outside the sequence do not count, as in the reference's "same" pooling.
            ones = torch.ones_like(x[:1, :1])
            return F.avg_pool1d(F.pad(x, (1, 2)), 4, 1) / F.avg_pool1d(F.pad(ones, (1, 2)), 4, 1)
        return F.max_pool1d(F.pad(x, (1, 2), value=float("-inf")), 4, 1)


def operation(name: str, channels: int) -> nn.Module:
    """One of the seven operations of a layer."""
    match name:
        case "conv_8":
            return Convolution(channels, 8)
        case "conv_4":
            return Convolution(channels, 4)
        case "conv_8_dilation_10":
            return Convolution(channels, 8, 10)
        case "conv_4_dilation_10":
            return Convolution(channels, 4, 10)
        case "max_pool_4":
            return Pooling(channels, average=False)
        case "avg_pool_4":
            return Pooling(channels, average=True)
        case "identity":
            return nn.Identity()
    raise ValueError(f"operation {name!r}")


class Reduction(nn.Module):
    """1x1 convolution to the next block's width, then maximum over four positions; a rest counts as one more."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool1d(self.conv(x), REDUCTION, ceil_mode=True)


def reduced_length(length: int, reductions: int) -> int:
    """Length after so many reductions: 1000 -> 250 -> 63 -> 16."""
    for _ in range(reductions):
        length = -(-length // REDUCTION)
    return length


class AmberNetwork(nn.Module):
    """Layers that hold one or several operations each; which of them run, and what they add, is the ``path``.

    Args:
        channels: of the input (B, channels, L).
        length: L.
        outputs: classes or labels.
        operations: per layer, the operations that it holds.
        reduced: per reduction (after layers 2, 5, 8), the layers whose outputs it passes on.
        width: channels of the first block; they double in each further block.
        hidden: units of the fully connected layer.
        dropout: before the fully connected layer, and where ``searching`` says.
        searching: as in the reference's search: BN after the stem, and dropout before the output; else, as in its
            final network, dropout after each layer.
    """

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        operations: Sequence[Sequence[str]],
        reduced: Sequence[Sequence[int]],
        *,
        width: int,
        hidden: int,
        dropout: float,
        searching: bool,
    ):
        super().__init__()
        widths = [width * 2 ** (index // BLOCK) for index in range(len(operations))]
        self.stem = nn.Conv1d(channels, width, 8, bias=False)
        self.stem_norm = nn.BatchNorm1d(width) if searching else nn.Identity()
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: operation(name, channels) for name in names})
            for names, channels in zip(operations, widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for channels in widths)
        self.reductions = nn.ModuleList(
            nn.ModuleDict({str(layer): Reduction(channels, 2 * channels) for layer in layers})
            for layers, channels in zip(reduced, widths[BLOCK - 1 :: BLOCK], strict=False)
        )
        flat = widths[-1] * reduced_length(length, len(self.reductions))
        self.dense = nn.Linear(flat, hidden)
        self.head = nn.Linear(hidden, outputs)
        self.dropout, self.searching = dropout, searching
        self.path: Sequence[Layer] = [(names[0], ()) for names in operations]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(F.pad(x, (3, 4))))
        states: dict[int, Tensor] = {}
        needed = [layer for _, skips in self.path for layer in skips]
        for index, (name, skips) in enumerate(self.path):
            total = self.layers[index][name](x)  # type: ignore[index]
            for layer in skips:
                total = total + states[layer]
            x = self.norms[index](total)
            if not self.searching:
                x = F.dropout(x, self.dropout, self.training)
            states[index] = x
            needed = needed[len(skips) :]
            if index % BLOCK == BLOCK - 1 and index // BLOCK < len(self.reductions):
                reduction = self.reductions[index // BLOCK]
                going_on = {index, *needed} & states.keys()
                states = {layer: reduction[str(layer)](states[layer]) for layer in sorted(going_on)}  # type: ignore[index]
                x = states[index]
        x = F.dropout(x.flatten(1), self.dropout, self.training)
        x = F.relu(self.dense(x))
        if self.searching:
            x = F.dropout(x, self.dropout, self.training)
        return self.head(x)


def layers_reduced(path: Sequence[Layer]) -> list[list[int]]:
    """For each reduction of a path, the layers whose outputs are needed after it: the last one, and later skips."""
    found = []
    for last in range(BLOCK - 1, len(path) - 1, BLOCK):
        later = {layer for _, skips in path[last + 1 :] for layer in skips if layer < last}
        found.append(sorted({last, *later}))
    return found


class FinalNetwork(AmberNetwork):
    """The network of one path; training bounds the norm of its convolutions."""

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        path: Sequence[Layer],
        *,
        width: int,
        hidden: int,
        max_norm: float,
    ):
        super().__init__(
            channels,
            length,
            outputs,
            [[name] for name, _ in path],
            layers_reduced(path),
            width=width,
            hidden=hidden,
            dropout=DROPOUT,
            searching=False,
        )
        self.path = path
        self.max_norm = max_norm

    @torch.no_grad()
    def project_weights(self) -> None:
        """Scale kernels down to ``max_norm`` along their positions; called after each optimiser step."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                norm = module.weight.norm(dim=-1, keepdim=True)
                module.weight.mul_(norm.clamp(max=self.max_norm) / norm.clamp(min=1e-7))


class SharedNetwork(AmberNetwork):
    """Every operation and every connection of the space, with weights that all paths share."""

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        operations: Sequence[str],
        depth: int,
        *,
        width: int,
        hidden: int,
    ):
        ends = range(BLOCK - 1, depth - 1, BLOCK)
        super().__init__(
            channels,
            length,
            outputs,
            [operations] * depth,
            [list(range(end + 1)) for end in ends],
            width=width,
            hidden=hidden,
            dropout=DROPOUT,
            searching=True,
        )
