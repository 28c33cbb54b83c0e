"""The search cell in few large calls instead of one per operation and edge, with the same numbers.

The operations on all edges that leave one state are computed together (``shared/edge_bundle.py``); channels that pass
by are pooled once per state, and shuffled once per node. Channels are innermost in memory (channels_last).
"""

from typing import Any

import torch
from torch import Tensor, nn

from nasperf360.spaces.darts.encoding import NODES
from nasperf360.spaces.shared.cells import edges_by_source
from nasperf360.spaces.shared.edge_bundle import EdgeBundle, innermost, sum_of
from nasperf360.spaces.shared.operations import FactorizedReduce, Layers, relu_conv_norm


class GroupedCell(nn.Module):
    """One search cell.

    Args:
        channels_in: of the two cells before.
        channels: per node.
        reduce: whether edges from the two inputs have stride 2.
        after_reduce: whether the cell before reduced.
        partial: one in so many channels goes through the operations.
        layers: dimensions, and the batch normalisation of the inputs.
    """

    order: Tensor

    def __init__(
        self, channels_in: tuple[int, int], channels: int, *, reduce: bool, after_reduce: bool, partial: int,
        layers: Layers,
    ):  # fmt: skip
        super().__init__()
        first = FactorizedReduce if after_reduce else relu_conv_norm
        self.preprocess0 = first(channels_in[0], channels, layers)
        self.preprocess1 = relu_conv_norm(channels_in[1], channels, layers)
        self.channels, self.partial = channels // partial, partial
        order, self.leaving = edges_by_source(NODES)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.bundles = nn.ModuleList(
            EdgeBundle(self.channels, count, 2 if reduce and source < 2 else 1, layers)
            for source, count in enumerate(self.leaving)
        )
        self.bypass = layers.halve() if reduce else nn.Identity()

    def forward(self, s0: Tensor, s1: Tensor, operations: Tensor, edges: Tensor) -> Tensor:
        """Output of the cell.

        Args:
            s0, s1: outputs of the cells before, the older first.
            operations: (14, 8), weights of the operations on each edge, node by node.
            edges: (14,), weights of the edges.

        Returns:
            (B, 4 * channels, H', W').
        """
        edges = edges.index_select(0, self.order)
        scaled = operations.index_select(0, self.order) * edges[:, None]
        weights = scaled.split(self.leaving)
        passing = [group.unbind() for group in edges.split(self.leaving)]
        mixed: list[list[Tensor]] = [[] for _ in range(NODES)]
        passed: list[list[Tensor]] = [[] for _ in range(NODES)]
        nodes: list[Tensor] = []

        def send(state: Tensor, source: int) -> None:
            targets = range(max(0, source - 1), NODES)
            active, rest = state.split([self.channels, state.shape[1] - self.channels], 1)
            bundle: Any = self.bundles[source]
            parts = bundle(active, bundle.mixing(weights[source])).split(self.channels, 1)
            for node, part in zip(targets, parts, strict=True):
                mixed[node].append(part)
            if self.partial == 1:
                return
            rest = self.bypass(rest) if source < 2 else rest
            for node, weight in zip(targets, passing[source], strict=True):
                passed[node].append(rest * weight)

        send(innermost(self.preprocess0(s0)), 0)
        send(innermost(self.preprocess1(s1)), 1)
        for node in range(NODES):
            state = sum_of(mixed[node])
            if self.partial > 1:
                joined = torch.cat([state, sum_of(passed[node])], 1)
                # Shuffled as (B, H, W, C), or the copy would not keep the channels innermost.
                shuffled = joined.movedim(1, 3).unflatten(3, (self.partial, self.channels)).transpose(3, 4)
                state = shuffled.flatten(3, 4).movedim(3, 1)
            nodes.append(state)
            if node < NODES - 1:
                send(state, node + 2)
        return torch.cat(nodes, 1)
