"""The eight operations of the DARTS space, for images and sequences of any size.

A sequence is an image of height one, (B, C, 1, L): then one code serves both, with kernels of height one.
Source: Liu et al. 2019; reference code, darts/gaea/search/operations.py and darts_1d/gaea/search/operations.py.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Layers:
    """Convolution, pooling and batch normalisation of one dimensionality.

    Args:
        dimensions: 1 or 2.
        norm: keyword arguments of the batch normalisation inside operations: affine, momentum, eps.
    """

    dimensions: int
    norm: dict[str, Any] = field(default_factory=dict)

    def size(self, length: int, height: int) -> tuple[int, int]:
        """``length`` along each axis of an image; ``height`` along the first of a sequence."""
        return (length if self.dimensions == 2 else height, length)

    def conv(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> nn.Conv2d:
        """A convolution without bias, padded to keep the size, or with stride 2 to halve it, rounding up."""
        padding = self.size(dilation * (kernel - 1) // 2, 0)
        return nn.Conv2d(
            channels_in, channels_out, self.size(kernel, 1), self.size(stride, 1), padding, self.size(dilation, 1),
            groups, bias=False,
        )  # fmt: skip

    def batch_norm(self, channels: int) -> nn.BatchNorm2d:
        """Batch normalisation with this object's arguments."""
        return nn.BatchNorm2d(channels, **self.norm)

    def max_pool(self, stride: int) -> nn.MaxPool2d:
        """Max pooling over 3 neighbours along each axis."""
        return nn.MaxPool2d(self.size(3, 1), self.size(stride, 1), self.size(1, 0))

    def average_pool(self, stride: int) -> nn.AvgPool2d:
        """Average pooling over 3 neighbours along each axis, those inside the borders."""
        return nn.AvgPool2d(self.size(3, 1), self.size(stride, 1), self.size(1, 0), count_include_pad=False)

    def halve(self) -> nn.MaxPool2d:
        """Max pooling over disjoint pairs along each axis, rounding odd sizes up."""
        return nn.MaxPool2d(self.size(2, 1), ceil_mode=True)

    def every_second(self, x: Tensor, shift: bool = False) -> Tensor:
        """Every second value along each axis, rounding odd sizes up; what a 1x1 convolution of stride 2 reads.

        Args:
            x: (B, C, H, W).
            shift: begin one pixel further, with zeros after the border. The reference's 1-D code does not shift,
                and so neither do we: there both convolutions see the same steps.
        """
        if self.dimensions == 1:
            return x[..., ::2]
        if shift:
            x = F.pad(x[:, :, 1:, 1:], (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return x[:, :, ::2, ::2]


class Zero(nn.Module):
    """No connection: zeros of the strided size."""

    def __init__(self, stride: tuple[int, int]):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, :: self.stride[0], :: self.stride[1]])


class FactorizedReduce(nn.Module):
    """Halves the size, rounding up: 1x1 convolutions of every second pixel, and of those one further on."""

    def __init__(self, channels_in: int, channels_out: int, layers: Layers):
        super().__init__()
        self.first = layers.conv(channels_in, channels_out // 2, 1)
        self.second = layers.conv(channels_in, channels_out - channels_out // 2, 1)
        self.norm = layers.batch_norm(channels_out)
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        first = self.first(self.layers.every_second(x))
        second = self.second(self.layers.every_second(x, shift=True))
        return self.norm(torch.cat([first, second], 1))


def relu_conv_norm(channels_in: int, channels_out: int, layers: Layers) -> nn.Sequential:
    """ReLU, 1x1 convolution, batch normalisation."""
    return nn.Sequential(nn.ReLU(), layers.conv(channels_in, channels_out, 1), layers.batch_norm(channels_out))


def _depthwise_pointwise(channels: int, kernel: int, stride: int, dilation: int, layers: Layers) -> list[nn.Module]:
    return [
        nn.ReLU(),
        layers.conv(channels, channels, kernel, stride, dilation, groups=channels),
        layers.conv(channels, channels, 1),
        layers.batch_norm(channels),
    ]


def make_operation(name: str, channels: int, stride: int, layers: Layers) -> nn.Module:
    """The operation of that name on ``channels`` channels; a stride of 2 halves the size, rounding up."""
    match name.split("_"):
        case ["none"]:
            return Zero(layers.size(stride, 1))
        case ["max", "pool", _]:
            return layers.max_pool(stride)
        case ["avg", "pool", _]:
            return layers.average_pool(stride)
        case ["skip", "connect"]:
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, layers)
        case ["sep", "conv", size]:
            kernel = int(size[0])
            return nn.Sequential(
                *_depthwise_pointwise(channels, kernel, stride, 1, layers),
                *_depthwise_pointwise(channels, kernel, 1, 1, layers),
            )
        case ["dil", "conv", size]:
            return nn.Sequential(*_depthwise_pointwise(channels, int(size[0]), stride, 2, layers))
    raise ValueError(f"operation {name!r}: unknown")


def as_image(x: Tensor) -> Tensor:
    """A sequence (B, C, L) as an image (B, C, 1, L); images stay."""
    return x.unsqueeze(2) if x.ndim == 3 else x
