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

    sources: Tensor
    targets: Tensor
    each: Tensor

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
        # The mixture of what is normalised: the operation that made each block of channels, and the edges it is for.
        own, every = torch.eye(edges), torch.ones(edges, 1)
        blocks = [(SEP, own), (SEP + 1, own), (DIL, own), (DIL + 1, own), (MAX, every), (AVERAGE, every)]
        blocks.append((SKIP, own if stride == 2 else every))
        sources = [operation for operation, edge in blocks for _ in range(edge.shape[1])]
        self.register_buffer("sources", torch.tensor(sources), persistent=False)
        self.register_buffer("targets", torch.cat([edge for _, edge in blocks], 1), persistent=False)
        self.register_buffer("each", torch.eye(channels), persistent=False)

    def forward(self, x: Tensor, mixing: Tensor) -> Tensor:
        """Weighted sums of the operations.

        Args:
            x: (B, channels, H, W).
            mixing: of the weights of the operations, see :meth:`mixing`.

        Returns:
            (B, edges * channels, H', W').
        """
        active = F.relu(x)
        separable = map(composed, self.depthwise1, self.pointwise1)
        dilated = map(composed, self.depthwise_dilated, self.pointwise_dilated)
        first = torch.cat([self._convolve(active, kernel, 1) for kernel in separable], 1)
        middle = F.relu(self.norm1(first))
        total = self.edges * self.channels
        parts = [
            self._separate(part, depthwise, pointwise)
            for part, depthwise, pointwise in zip(middle.split(total, 1), self.depthwise2, self.pointwise2, strict=True)
        ]
        parts += [self._convolve(active, kernel, 2) for kernel in dilated]
        parts += [self.max_pool(x), self.average_pool(x)]
        if self.stride == 2:
            parts.append(self._factorized_reduce(active))
        normalised = self.norm(torch.cat(parts, 1))
        if self.stride == 1:
            normalised = torch.cat([normalised, x], 1)
        return F.conv2d(normalised, mixing)

    def mixing(self, weights: Tensor) -> Tensor:
        """The weighted sum over operations as a 1x1 convolution: (edges * channels, inputs, 1, 1).

        Args:
            weights: (edges, 8).
        """
        blocks = weights.index_select(1, self.sources) * self.targets
        return torch.kron(blocks, self.each)[:, :, None, None]

    def _convolve(self, x: Tensor, kernel: Tensor, dilation: int) -> Tensor:
        """Depthwise and 1x1 convolution of every edge as one full convolution."""
        padding = self.layers.size(dilation * (kernel.shape[3] - 1) // 2, 0)
        return F.conv2d(x, kernel, None, self.layers.size(self.stride, 1), padding, self.layers.size(dilation, 1))

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


def composed(depthwise: Tensor, pointwise: Tensor) -> Tensor:
    """Depthwise and 1x1 convolutions as full ones: kernels (edges * channels, channels, ...).

    Args:
        depthwise: (edges * channels, 1, ...).
        pointwise: (edges * channels, channels, 1, 1), of what the depthwise ones of the same edge give.
    """
    channels, shape = pointwise.shape[1], depthwise.shape[2:]
    kernel = pointwise.view(-1, channels, channels, 1, 1) * depthwise.view(-1, 1, channels, *shape)
    return kernel.view(-1, channels, *shape)
