"""DenseNAS-R1 (Fang et al. 2020): the network of one path through the routing blocks, and the supernet of all.

Source: paper section 4.1; reference code, densenas/{point,dense}/models and densenas_1d/models.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.densenas.routing_graph import RoutingGraph
from nasperf360.spaces.shared.head import Head
from nasperf360.spaces.shared.initial_weights import init_convolutions
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.supernet import softmax

BASIC_BLOCK, SKIP = 0, 1  # operations of a stack layer
SKIP_COST = 0.1  # of a basic block's: what the reference charges for a skip
MILLION = 1e6


def convolution(dimensions: int, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
    """A 1-D or 2-D convolution without bias that keeps the size, rounded up, but for its stride."""
    layer = (nn.Conv1d, nn.Conv2d)[dimensions - 1]
    return layer(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)


def batch_norm(dimensions: int, channels: int, affine: bool = True) -> nn.Module:
    """A 1-D or 2-D batch normalisation."""
    return (nn.BatchNorm1d, nn.BatchNorm2d)[dimensions - 1](channels, affine=affine)


class BasicBlock(nn.Module):
    """conv-BN-ReLU-conv-BN plus the shortcut (1x1 conv-BN where the shape changes), ReLU."""

    def __init__(self, dimensions: int, channels_in: int, channels_out: int, stride: int = 1, *, affine: bool = True):
        super().__init__()
        self.conv1 = convolution(dimensions, channels_in, channels_out, 3, stride)
        self.norm1 = batch_norm(dimensions, channels_out, affine)
        self.conv2 = convolution(dimensions, channels_out, channels_out, 3)
        self.norm2 = batch_norm(dimensions, channels_out, affine)
        self.shortcut = (
            None
            if stride == 1 and channels_in == channels_out
            else nn.Sequential(
                convolution(dimensions, channels_in, channels_out, 1, stride),
                batch_norm(dimensions, channels_out, affine),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.norm2(self.conv2(F.relu_(self.norm1(self.conv1(x)))))
        return F.relu_(residual + (x if self.shortcut is None else self.shortcut(x)))


def basic_block_cost(channels_in: int, channels_out: int, stride: int, positions: int, kernel: int) -> float:
    """Millions of multiply-adds of a basic block.

    Args:
        channels_in: width of its input.
        channels_out: width of its output.
        stride: of its first convolution.
        positions: of its output.
        kernel: positions under a kernel of side 3: 3 or 9.
    """
    shortcut = 0 if stride == 1 and channels_in == channels_out else channels_in
    return positions * channels_out * (kernel * (channels_in + channels_out) + shortcut) / MILLION


class Stem(nn.Sequential):
    """3x3 convolution, BN, ReLU."""

    def __init__(self, dimensions: int, channels: int, width: int, stride: int, activation: nn.Module):
        super().__init__(convolution(dimensions, channels, width, 3, stride), batch_norm(dimensions, width), activation)


class DenseNasNetwork(nn.Module):
    """The network of one path: stem, per block one basic block and its stack layers, head; no last 1x1 convolution.

    Args:
        dimensions: 1 or 2.
        channels: of the input (B, channels, ...).
        outputs: classes, or channels per pixel.
        dense: per-pixel outputs (B, outputs, ...), else (B, outputs).
        graph: gives widths and strides.
        path: blocks between stem and tail.
        layers: number of stack layers of each.
    """

    def __init__(
        self,
        dimensions: int,
        channels: int,
        outputs: int,
        dense: bool,
        graph: RoutingGraph,
        path: Sequence[int],
        layers: Sequence[int],
    ):
        super().__init__()
        width, source = graph.blocks[0].width, 0
        self.stem = Stem(dimensions, channels, width, 1, nn.ReLU6())
        blocks: list[nn.Module] = []
        for target, depth in zip(path, layers, strict=True):
            stride, channels_out = graph.stride(source, target), graph.blocks[target].width
            blocks.append(BasicBlock(dimensions, width, channels_out, stride))
            blocks += [BasicBlock(dimensions, channels_out, channels_out) for _ in range(depth)]
            width, source = channels_out, target
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(width, outputs, dense)
        init_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


class DenseNasSupernet(SampledSupernet):
    """All paths at once: a block takes the sum of its incoming connections, weighted by their sources.

    Architecture parameters: ``connections``, one choice per block over its successors; ``heads``, (connections, 1),
    the operations of a connection; ``layers``, (stack layers, 2), a basic block or a skip.

    Args:
        dimensions: 1 or 2.
        input_shape: (channels, length) or (channels, height, width).
        outputs: classes, or channels per pixel.
        dense: per-pixel outputs.
        graph: the routing blocks.
        stem_stride: of the stem.
        temperature: of the softmax over a block's successors.
        count_cost: whether convolutions cost anything; the reference code's counter does not see 1-D ones.
    """

    sampled_names = ("heads", "layers")

    def __init__(
        self,
        dimensions: int,
        input_shape: tuple[int, ...],
        outputs: int,
        dense: bool,
        graph: RoutingGraph,
        *,
        stem_stride: int,
        temperature: float,
        count_cost: bool,
    ):
        super().__init__()
        self.graph, self.temperature, self.tail = graph, temperature, graph.tail
        widths = [block.width for block in graph.blocks]
        self.stem = Stem(dimensions, input_shape[0], widths[0], stem_stride, nn.ReLU())
        self.heads = nn.ModuleDict()
        for source, target in graph.edges:
            connection: nn.Module = (
                BasicBlock(dimensions, widths[source], widths[target], graph.stride(source, target), affine=False)
                if target != self.tail
                else nn.Sequential(
                    convolution(dimensions, widths[source], widths[target], 1),
                    batch_norm(dimensions, widths[target], affine=False),
                    nn.ReLU6(),
                )
            )
            self.heads[f"{source}-{target}"] = connection
        self.stacks = nn.ModuleList(
            nn.ModuleList(BasicBlock(dimensions, width, width, affine=False) for _ in range(block.layers))
            for width, block in zip(widths, graph.blocks, strict=True)
        )
        self.head = Head(widths[-1], outputs, dense)
        init_convolutions(self)

        # Connections into the tail are a convolution, not a choice of operations.
        inner = [index for index, (_, target) in enumerate(graph.edges) if target != self.tail]
        self.inner_edges: Tensor
        self.register_buffer("inner_edges", torch.tensor(inner), persistent=False)
        self.choices["connections"] = tuple(len(targets) for targets in graph.successors[:-1])
        for name, shape in (
            ("connections", (len(graph.edges),)),
            ("heads", (len(inner), 1)),
            ("layers", (graph.layer_rows[-1].stop, 2)),
        ):
            self.architecture[name] = nn.Parameter(1e-3 * torch.randn(shape))
        self._count_costs(dimensions, input_shape, outputs, stem_stride, count_cost)

    # -- forward -------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        weights = self._edge_weights()
        operations, layers = self._operations(), self._mixed("layers")
        incoming: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.graph.blocks]
        for index, targets in enumerate(self.graph.successors):
            if index == 0:
                value = self.stem(x)
            else:
                value = self._gather(incoming[index], index)
                incoming[index].clear()
                stack: Any = self.stacks[index]
                rows = self.graph.layer_rows[index]
                for block, run, mixed in zip(stack, operations[rows], layers[rows], strict=True):
                    value = self._stack_layer(block, value, run, mixed)
            for target in targets:
                incoming[target].append((weights[index, target], self.heads[f"{index}-{target}"](value)))
        return self.head(value)

    def _gather(self, incoming: list[tuple[Tensor, Tensor]], index: int) -> Tensor:
        weights = [weight for weight, _ in incoming]
        if index == self.tail:
            # The reference relaxes the tail's incoming weights once more.
            weights = list(self.relax(torch.stack(weights)))
        total = weights[0] * incoming[0][1]
        for weight, (_, value) in zip(weights[1:], incoming[1:], strict=True):
            total = torch.addcmul(total, value, weight)
        return total

    @staticmethod
    def _stack_layer(block: nn.Module, value: Tensor, operations: list[int], weights: Tensor) -> Tensor:
        if operations == [BASIC_BLOCK]:
            return block(value)
        if operations == [SKIP]:
            return value
        return torch.addcmul(weights[SKIP] * value, block(value), weights[BASIC_BLOCK])

    def _connections(self) -> list[Tensor]:
        """Weights of each block's successors."""
        # A temperature is the softmax's: values that a search keeps on the simplex sum to 1 as they are.
        temperature = self.temperature if self.relax is softmax else 1.0
        return [self.relax(group / temperature) for group in self.groups("connections")]

    def _edge_weights(self) -> dict[tuple[int, int], Tensor]:
        """Weight of each connection: its source's choice times its operation's."""
        operations = self._mixed("heads").sum(-1)
        factors = torch.ones(len(self.graph.edges), device=operations.device, dtype=operations.dtype)
        factors = factors.index_copy(0, self.inner_edges, operations)
        return dict(zip(self.graph.edges, (torch.cat(self._connections()) * factors).unbind(), strict=True))

    def _operations(self) -> list[list[int]]:
        """Operations that run in each stack layer."""
        sampled = self.sampled.get("layers")
        return sampled.tolist() if sampled is not None else [[BASIC_BLOCK, SKIP]] * len(self.architecture["layers"])

    def _mixed(self, name: str) -> Tensor:
        """Mixture weights of the operations that run, (layers, count)."""
        values = self.architecture[name]
        sampled = self.sampled.get(name)
        return self.relax(
            values if sampled is None else values.gather(-1, sampled.to(values.device, non_blocking=True))
        )

    # -- cost ----------------------------------------------------------------------------------------------------

    def _count_costs(
        self, dimensions: int, input_shape: tuple[int, ...], outputs: int, stem_stride: int, count_cost: bool
    ) -> None:
        blocks, kernel, counted = self.graph.blocks, 3**dimensions, float(count_cost)
        positions = [math.prod(-(-size // (stem_stride * block.scale)) for size in input_shape[1:]) for block in blocks]
        stem = positions[0] * blocks[0].width * input_shape[0] * kernel / MILLION
        # Of one position: the reference's counter does not multiply linear layers by positions.
        self.fixed_cost = counted * stem + blocks[-1].width * outputs / MILLION
        self.head_costs = {
            (source, target): counted
            * (
                positions[target] * blocks[source].width * blocks[target].width / MILLION
                if target == self.tail
                else basic_block_cost(
                    blocks[source].width,
                    blocks[target].width,
                    self.graph.stride(source, target),
                    positions[target],
                    kernel,
                )
            )
            for source, target in self.graph.edges
        }
        self.layer_costs = [
            counted * basic_block_cost(block.width, block.width, 1, size, kernel)
            for block, size in zip(blocks, positions, strict=True)
        ]

    def expected_cost(self) -> Tensor:
        """The expectation is chained from the tail to the stem: a block's cost is that of what follows it, weighted.

        Source: reference code, densenas/point/models/search_space_base.py (the chained estimator).
        """
        connections, layers = self._connections(), self.mixture("layers")
        following = [layers.new_zeros(()) for _ in self.graph.blocks]
        for index in reversed(range(self.tail)):
            costs = [
                self.head_costs[index, target] + self._stack_cost(target, layers) + following[target]
                for target in self.graph.successors[index]
            ]
            following[index] = (connections[index] * torch.stack(costs)).sum()
        return following[0] + self.fixed_cost

    def _stack_cost(self, index: int, layers: Tensor) -> Tensor:
        weights = layers[self.graph.layer_rows[index]].sum(0)
        return self.layer_costs[index] * (weights[BASIC_BLOCK] + SKIP_COST * weights[SKIP])
