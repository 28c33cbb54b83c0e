"""Layers of AMBER's networks, as Keras and TensorFlow compute them: "same" padding, normalisation, initial weights.

Source: reference code, AMBER/amber/modeler/kerasModeler.py (final network) and dag.py (shared weights).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCTION = 4  # of the length, at the end of a block
MOVED = 0.01  # share of a batch in the final network's running statistics
TRUNCATED = 0.87962566103423978  # standard deviation of a standard normal that is cut at two of its own


class FinalNorm(nn.BatchNorm1d):
    """Batch normalisation of the final network: Keras' defaults, and the population's variance as running one."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-3, momentum=MOVED)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_var is not None
        moved = self.running_var.clone()
        y = F.batch_norm(x, self.running_mean, moved, self.weight, self.bias, True, MOVED, self.eps)
        # torch moves it towards the sample's variance, which is larger by samples / (samples - 1).
        samples = x.numel() // x.shape[1]
        self.running_var.copy_(torch.lerp((1 - MOVED) * self.running_var, moved, (samples - 1) / samples))
        return y


def normalisation(channels: int, searching: bool) -> nn.BatchNorm1d:
    """Batch normalisation of the shared network, whose momentum the network itself sets, or of the final one."""
    return nn.BatchNorm1d(channels) if searching else FinalNorm(channels)


class Convolution(nn.Module):
    """Convolution that keeps the length, BN, ReLU; where ``shifted``, with one trainable number before ReLU."""

    def __init__(self, channels: int, kernel: int, dilation: int = 1, *, searching: bool, shifted: bool = False):
        super().__init__()
        span = dilation * (kernel - 1)
        # Inside the convolution where both sides are alike: outside, every input is copied.
        self.padding = (span // 2, span - span // 2) if span % 2 else None
        inside = 0 if self.padding else span // 2
        self.conv = nn.Conv1d(channels, channels, kernel, padding=inside, dilation=dilation, bias=False)
        self.norm = normalisation(channels, searching)
        self.shift = nn.Parameter(torch.zeros(1)) if shifted else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(F.pad(x, self.padding) if self.padding else x))
        return F.relu(x if self.shift is None else x + self.shift)


class Pooling(nn.Module):
    """1x1 convolution, BN, ReLU, then maximum or average over four positions, keeping the length."""

    def __init__(self, channels: int, average: bool, *, searching: bool):
        super().__init__()
        self.conv = Convolution(channels, 1, searching=searching)
        self.average = average

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.average:
            # Positions outside the sequence do not count, as in the reference's "same" pooling.
            ones = torch.ones_like(x[:1, :1])
            return F.avg_pool1d(F.pad(x, (1, 2)), 4, 1) / F.avg_pool1d(F.pad(ones, (1, 2)), 4, 1)
        return F.max_pool1d(F.pad(x, (1, 2), value=float("-inf")), 4, 1)


def operation(name: str, channels: int, *, searching: bool) -> nn.Module:
    """One of the seven operations of a layer."""
    match name:
        case "conv_8":
            return Convolution(channels, 8, searching=searching, shifted=searching)
        case "conv_4":
            return Convolution(channels, 4, searching=searching, shifted=searching)
        case "conv_8_dilation_10":
            return Convolution(channels, 8, 10, searching=searching, shifted=searching)
        case "conv_4_dilation_10":
            return Convolution(channels, 4, 10, searching=searching, shifted=searching)
        case "max_pool_4":
            return Pooling(channels, average=False, searching=searching)
        case "avg_pool_4":
            return Pooling(channels, average=True, searching=searching)
        case "identity":
            return nn.Identity()
    raise ValueError(f"operation {name!r}")


class Reduction(nn.Module):
    """1x1 convolution to the next block's width, then maximum over four positions, with "same" padding on both ends."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        missing = -x.shape[-1] % REDUCTION
        padding = (missing // 2, missing - missing // 2)
        return F.max_pool1d(F.pad(x, padding, value=float("-inf")), REDUCTION)


def reduced_length(length: int, reductions: int) -> int:
    """Length after so many reductions: 1000 -> 250 -> 63 -> 16."""
    for _ in range(reductions):
        length = -(-length // REDUCTION)
    return length


def init_weights(network: nn.Module, searching: bool) -> None:
    """Keras' he_normal for convolutions, and, while searching, for dense layers; else glorot_uniform for those."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d):
            he_normal(module.weight)
        elif isinstance(module, nn.Linear):
            if searching:
                he_normal(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def he_normal(weight: Tensor) -> None:
    """A normal distribution cut at two standard deviations, then of variance 2 / fan in; ``weight`` is (out, ...)."""
    deviation = math.sqrt(2 / weight[0].numel()) / TRUNCATED
    nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)
