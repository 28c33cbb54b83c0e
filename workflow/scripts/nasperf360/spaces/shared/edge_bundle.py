"""The mixed operations of many edges in few large calls, with the numbers of one call per operation and edge.

All edges that leave one state see the same input, so their operations are computed together:
- a depthwise convolution followed by a 1x1 convolution is one convolution, and those of all edges are one call;
- pooling does not depend on the edge at all;
- normalisation of all operations is one call, and their weighted sum another (a 1x1 convolution).
"""

import math
from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.shared.operations import Layers

SEPARABLE = (3, 5)  # kernels of sep_conv
DILATED = (3, 5)  # kernels of dil_conv
MAX, AVERAGE, SKIP, SEP, DIL = 1, 2, 3, 4, 6  # positions in OPERATIONS


def innermost(x: Tensor) -> Tensor:
    """The same values with channels innermost in memory, which suits many small convolutions."""
    return x.contiguous(memory_format=torch.channels_last)


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """The sum of at least one tensor, in their order."""
    return reduce(add, terms)


def _convolution(*shape: int) -> nn.Parameter:
    """Weights as nn.Conv2d draws them."""
    weight = torch.empty(shape)
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    return nn.Parameter(nn.init.uniform_(weight, -bound, bound))


class Norm(nn.Module):
    """Batch normalisation without affine parameters, as nn.BatchNorm2d by default."""

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.var, training=self.training)


class EdgeBundle(nn.Module):
    """The mixed operations on all edges that leave one state.

    Args:
        channels: of the part that the operations see.
        edges: how many.
        stride: of all.
        layers: dimensions.
    """

    def __init__(self, channels: int, edges: int, stride: int, layers: Layers):
        super().__init__()
        self.channels, self.edges, self.stride, self.layers = channels, edges, stride, layers
        total = edges * channels
        shape = {kernel: layers.size(kernel, 1) for kernel in (3, 5)}
        self.depthwise1 = nn.ParameterList(_convolution(total, 1, *shape[kernel]) for kernel in SEPARABLE)
        self.pointwise1 = nn.ParameterList(_convolution(total, channels, 1, 1) for _ in SEPARABLE)
        self.depthwise2 = nn.ParameterList(_convolution(total, 1, *shape[kernel]) for kernel in SEPARABLE)
        self.pointwise2 = nn.ParameterList(_convolution(total, channels, 1, 1) for _ in SEPARABLE)
        self.depthwise_dilated = nn.ParameterList(_convolution(total, 1, *shape[kernel]) for kernel in DILATED)
        self.pointwise_dilated = nn.ParameterList(_convolution(total, channels, 1, 1) for _ in DILATED)
        self.norm1 = Norm(len(SEPARABLE) * total)
        normalised = (len(SEPARABLE) + len(DILATED)) * total + 2 * channels
        if stride == 2:
            self.skip_first = _convolution(edges * (channels // 2), channels, 1, 1)
            self.skip_second = _convolution(edges * (channels - channels // 2), channels, 1, 1)
            normalised += total
        self.norm = Norm(normalised)
        self.max_pool, self.average_pool = layers.max_pool(stride), layers.average_pool(stride)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums of the operations.

        Args:
            x: (B, channels, H, W).
            weights: (edges, 8).

        Returns:
            (B, edges * channels, H', W').
        """
        active = F.relu(x)
        first = torch.cat(
            [
                self._composed(active, depthwise, pointwise, 1)
                for depthwise, pointwise in zip(self.depthwise1, self.pointwise1, strict=True)
            ],
            1,
        )
        middle = F.relu(self.norm1(first))
        total = self.edges * self.channels
        parts = [
            self._separate(part, depthwise, pointwise)
            for part, depthwise, pointwise in zip(middle.split(total, 1), self.depthwise2, self.pointwise2, strict=True)
        ]
        parts += [
            self._composed(active, depthwise, pointwise, 2)
            for depthwise, pointwise in zip(self.depthwise_dilated, self.pointwise_dilated, strict=True)
        ]
        parts += [self.max_pool(x), self.average_pool(x)]
        if self.stride == 2:
            parts.append(self._factorized_reduce(active))
        normalised = self.norm(torch.cat(parts, 1))
        if self.stride == 1:
            normalised = torch.cat([normalised, x], 1)
        return F.conv2d(normalised, self._mixing(weights))

    def _composed(self, x: Tensor, depthwise: Tensor, pointwise: Tensor, dilation: int) -> Tensor:
        """Depthwise and 1x1 convolution of every edge as one full convolution."""
        edges, channels = self.edges, self.channels
        kernel = depthwise.shape[2:]
        weight = pointwise.view(edges, channels, channels, 1, 1) * depthwise.view(edges, 1, channels, *kernel)
        length = kernel[1]
        padding = self.layers.size(dilation * (length - 1) // 2, 0)
        return F.conv2d(
            x, weight.view(edges * channels, channels, *kernel), None, self.layers.size(self.stride, 1), padding,
            self.layers.size(dilation, 1),
        )  # fmt: skip

    def _separate(self, x: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
        """Depthwise and 1x1 convolution of every edge on its own channels."""
        padding = self.layers.size((depthwise.shape[3] - 1) // 2, 0)
        x = F.conv2d(x, depthwise, None, 1, padding, groups=self.edges * self.channels)
        return F.conv2d(x, pointwise, groups=self.edges)

    def _factorized_reduce(self, active: Tensor) -> Tensor:
        """FactorizedReduce of every edge, before its normalisation."""
        first = F.conv2d(innermost(self.layers.every_second(active)), self.skip_first)
        second = F.conv2d(innermost(self.layers.every_second(active, shift=True)), self.skip_second)
        both = [part.movedim(1, 3).unflatten(3, (self.edges, -1)) for part in (first, second)]
        return torch.cat(both, 4).flatten(3, 4).movedim(3, 1)

    def _mixing(self, weights: Tensor) -> Tensor:
        """The weighted sum over operations as a 1x1 convolution: (edges * channels, inputs, 1, 1)."""
        edges, channels = self.edges, self.channels
        each = torch.eye(channels, device=weights.device, dtype=weights.dtype)
        own = torch.eye(edges, device=weights.device, dtype=weights.dtype)

        def per_edge(column: Tensor) -> Tensor:
            return torch.kron(own * column[:, None], each)

        def shared(column: Tensor) -> Tensor:
            return torch.kron(column[:, None], each)

        blocks = [per_edge(weights[:, index]) for index in (SEP, SEP + 1, DIL, DIL + 1)]
        blocks += [shared(weights[:, MAX]), shared(weights[:, AVERAGE])]
        blocks.append(per_edge(weights[:, SKIP]) if self.stride == 2 else shared(weights[:, SKIP]))
        return torch.cat(blocks, 1)[:, :, None, None]
