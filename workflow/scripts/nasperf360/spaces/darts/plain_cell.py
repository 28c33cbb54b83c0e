"""The search cell with one call per operation and edge: what the grouped cell is tested and timed against.

Source: Xu et al. 2020 (PC-DARTS); reference code, darts/gaea/search/model_search.py.
"""

from typing import cast

import torch
from torch import Tensor, nn

from nasperf360.spaces.darts.encoding import NODES
from nasperf360.spaces.darts.grouped_cell import GroupedCell
from nasperf360.spaces.shared.cells import OPERATIONS
from nasperf360.spaces.shared.edge_bundle import DILATED, SEPARABLE, EdgeBundle
from nasperf360.spaces.shared.operations import FactorizedReduce, Layers, make_operation, relu_conv_norm


class MixedOperation(nn.Module):
    """All operations on one part of the channels, weighted; the others pass by, and all are shuffled."""

    def __init__(self, channels: int, stride: int, partial: int, layers: Layers):
        super().__init__()
        self.channels, self.partial = channels // partial, partial
        self.operations = nn.ModuleList()
        for name in OPERATIONS:
            operation = make_operation(name, self.channels, stride, layers)
            if "pool" in name:
                operation = nn.Sequential(operation, layers.batch_norm(self.channels))
            self.operations.append(operation)
        self.bypass = layers.halve() if stride == 2 else nn.Identity()

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        mixed = sum(
            weight * operation(x[:, : self.channels])
            for weight, operation in zip(weights, self.operations, strict=True)
        )
        assert isinstance(mixed, Tensor)
        if self.partial == 1:
            return mixed
        joined = torch.cat([mixed, self.bypass(x[:, self.channels :])], 1)
        return joined.unflatten(1, (self.partial, self.channels)).transpose(1, 2).flatten(1, 2)


class PlainCell(nn.Module):
    """One search cell; see GroupedCell."""

    def __init__(
        self, channels_in: tuple[int, int], channels: int, *, reduce: bool, after_reduce: bool, partial: int,
        layers: Layers,
    ):  # fmt: skip
        super().__init__()
        first = FactorizedReduce if after_reduce else relu_conv_norm
        self.preprocess0 = first(channels_in[0], channels, layers)
        self.preprocess1 = relu_conv_norm(channels_in[1], channels, layers)
        self.edges = nn.ModuleList(
            MixedOperation(channels, 2 if reduce and source < 2 else 1, partial, layers)
            for node in range(NODES)
            for source in range(node + 2)
        )

    def forward(self, s0: Tensor, s1: Tensor, operations: Tensor, edges: Tensor) -> Tensor:
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(NODES):
            terms = []
            for state in states:
                terms.append(edges[edge] * self.edges[edge](state, operations[edge]))
                edge += 1
            states.append(torch.stack(terms).sum(0))
        return torch.cat(states[2:], 1)

    @torch.no_grad()
    def copy_grouped(self, cell: GroupedCell) -> None:
        """Take over the weights of a grouped cell."""
        self.preprocess0.load_state_dict(cell.preprocess0.state_dict())
        self.preprocess1.load_state_dict(cell.preprocess1.state_dict())
        edge = 0
        for node in range(NODES):
            for source in range(node + 2):
                bundle = cast(EdgeBundle, cell.bundles[source])
                copy_edge(cast(MixedOperation, self.edges[edge]), bundle, node - max(0, source - 1))
                edge += 1


def copy_edge(operation: MixedOperation, bundle: EdgeBundle, position: int) -> None:
    """Weights of one edge, the one at ``position`` of its bundle."""
    named = dict(zip(OPERATIONS, operation.operations, strict=True))
    separable = zip(bundle.depthwise1, bundle.pointwise1, bundle.depthwise2, bundle.pointwise2, strict=True)
    grouped: dict[str, tuple[Tensor, ...]] = {
        f"sep_conv_{size}x{size}": weights for size, weights in zip(SEPARABLE, separable, strict=True)
    }
    dilated = zip(bundle.depthwise_dilated, bundle.pointwise_dilated, strict=True)
    grouped |= {f"dil_conv_{size}x{size}": weights for size, weights in zip(DILATED, dilated, strict=True)}
    if bundle.stride == 2:
        grouped["skip_connect"] = (bundle.skip_first, bundle.skip_second)
    for name, weights in grouped.items():
        for own, shared in zip(named[name].parameters(), weights, strict=True):
            own.copy_(shared.chunk(bundle.edges)[position])
