"""A layer of the search network: a cell for each level, and all of them compute in step.

What is elementwise is one call for the maps of all levels (``in_step.py``). Of the edges that leave a state, all
convolutions of a kind are one call: kernels of 3 pixels have zeros around them, to be as large as those of 5. The
kernels of a level are made for all of its cells at once. At these sizes a GPU waits for calls, not for products.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.autodl import in_step
from nasperf360.spaces.autodl.encoding import NODES
from nasperf360.spaces.shared.edge_bundle import EdgeBundle, Norm, composed
from nasperf360.spaces.shared.operations import Layers

FEW = 32
"""Up to so many channels a depthwise and a 1x1 convolution are one full one; with more, that has too many products."""

Kernel = Tensor | tuple[Tensor, Tensor]
"""Full, (2 * edges * channels, channels, 5, 5); or depthwise, one channel instead of these, and 1x1."""

Kernels = tuple[Kernel, Kernel, Kernel]
"""Of a bundle: of the first and of the second halves of separable convolutions, of dilated ones."""

Mixing = tuple[Tensor, Tensor]
"""Weights by which a bundle mixes, (edges * channels, inputs): of what is normalised, and of the state itself."""


class PathNorm(Norm):
    """Batch normalisation of maps that came on several paths, by the statistics of each path alone.

    Args:
        channels: of one map.
        paths: how many, in turn along the batch.
    """

    def __init__(self, channels: int, paths: int):
        super().__init__(paths * channels)
        self.paths = paths

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        side_by_side = x.reshape(-1, self.paths * channels, *x.shape[2:])
        return super().forward(side_by_side).reshape(x.shape)


class PathBundle(EdgeBundle):
    """The mixed operations on all edges that leave one state, which exists once for each path: (B * paths, ...)."""

    def __init__(self, channels: int, edges: int, paths: int, layers: Layers):
        super().__init__(channels, edges, 1, layers)
        self.norm1 = PathNorm(len(self.norm1.mean), paths)
        self.norm = PathNorm(len(self.norm.mean), paths)

    def by_input(self, weights: Tensor) -> Mixing:
        """The mixture by weights of the operations, (edges, 8)."""
        mixing = self.mixing(weights).flatten(1)
        normalised, state = mixing.split([mixing.shape[1] - self.channels, self.channels], 1)
        return normalised, state


class SearchCell(nn.Module):
    """All operations on all edges; the same for each of the levels that the cell hears from.

    These levels are the paths into the cell. All paths go through it together, in turn along the batch.

    Args:
        earlier: channels of the cell before the last at this level; None: there is none, and no edges from it.
        incoming: channels of the cells of the layer before, one for each level that the cell hears from.
        channels: per node.
    """

    def __init__(self, earlier: int | None, incoming: Sequence[int], channels: int):
        super().__init__()
        layers = Layers(2, {"affine": False})
        self.channels, self.paths = channels, len(incoming)
        self.project0 = None if earlier is None else layers.conv(earlier, channels, 1)
        self.norm0 = Norm(channels)
        self.project1 = nn.ModuleList(layers.conv(each, channels, 1) for each in incoming)
        self.norm1 = PathNorm(channels, self.paths)
        # What comes from the cell before the last is the same on all paths: computed once.
        self.bundle0 = None if earlier is None else PathBundle(channels, NODES, 1, layers)
        self.bundles = nn.ModuleList(PathBundle(channels, NODES - node, self.paths, layers) for node in range(NODES))

    @property
    def sources(self) -> list[EdgeBundle]:
        """The edges from each input, where there is one, and from each node."""
        return [bundle for bundle in (self.bundle0, *self.bundles) if isinstance(bundle, EdgeBundle)]

    def enter(self, s1: Sequence[Tensor]) -> Tensor:
        """The second input on all paths, (B * paths, channels, H, W)."""
        paths = [project(x) for project, x in zip(self.project1, s1, strict=True)]
        return self.norm1(torch.stack(paths, 1).flatten(0, 1) if self.paths > 1 else paths[0])

    def on_all_paths(self, arrived: Tensor) -> Tensor:
        """What arrived before the paths part: (B, ...) to (B * paths, ...)."""
        return arrived[:, None].expand(-1, self.paths, -1, -1, -1).flatten(0, 1)

    def next_node(self, arrived: Tensor) -> tuple[Tensor, Tensor]:
        """The state of the next node, and what has arrived of those after it."""
        state, rest = arrived.split([self.channels, arrived.shape[1] - self.channels], 1)
        return state, rest

    def leave(self, nodes: Sequence[Tensor], steps: Tensor) -> Tensor:
        """Output of the cell, (B, 5 * channels, H, W): the sum over its paths by the weights of the steps, (paths,)."""
        joined = torch.cat(list(nodes), 1)
        if self.paths == 1:
            return joined * steps
        by_path = joined.view(-1, self.paths, joined[0].numel())
        return (steps.expand(len(by_path), 1, -1) @ by_path).view(-1, *joined.shape[1:])


class SearchLayer(nn.ModuleList):
    """The cells of a layer, by level."""

    def forward(
        self,
        s0: Sequence[Tensor],
        s1: Sequence[Sequence[Tensor]],
        mixing: Sequence[Sequence[Mixing]],
        kernels: Sequence[Sequence[Kernels]],
        steps: Sequence[Tensor],
    ) -> list[Tensor]:
        """Outputs of the cells.

        Args:
            s0: outputs of the cells before the last, activated, of the levels that had one: the finest.
            s1: for each cell the outputs of the cells of the layer before, resized to its level and activated.
            mixing: for each cell, of the edges from each input and node, as their bundles mix.
            kernels: for each cell, of its :attr:`SearchCell.sources`.
            steps: for each cell, weights of its paths.
        """
        cells = list(cast(Iterable[SearchCell], self))
        # Of the nodes still to come, channel by channel: what has arrived so far, on each path.
        arrived = self._from_the_cells_before_the_last(s0, mixing, kernels)
        states = [cell.enter(inputs) for cell, inputs in zip(cells, s1, strict=True)]
        nodes: list[list[Tensor]] = []
        for number in range(NODES):
            bundles = [cast(PathBundle, cell.bundles[number]) for cell in cells]
            weights = [each[number + 1] for each in mixing]
            arrived = mixed(bundles, states, weights, [each[number - NODES] for each in kernels], arrived)
            states = arrived
            if number < NODES - 1:
                split = [cell.next_node(each) for cell, each in zip(cells, arrived, strict=True)]
                states, arrived = map(list, zip(*split, strict=True))
                kept, states = in_step.twice(states)
                nodes.append(kept)
        nodes.append(states)
        outputs = zip(cells, zip(*nodes, strict=True), steps, strict=True)
        return [cell.leave(own, weights) for cell, own, weights in outputs]

    def _from_the_cells_before_the_last(
        self, s0: Sequence[Tensor], mixing: Sequence[Sequence[Mixing]], kernels: Sequence[Sequence[Kernels]]
    ) -> list[Tensor]:
        cells: list[Any] = list(self)[: len(s0)]
        if not cells:
            return []
        entered = [cell.norm0(cell.project0(x)) for cell, x in zip(cells, s0, strict=True)]
        bundles = [cell.bundle0 for cell in cells]
        sent = mixed(bundles, entered, [each[0] for each in mixing], [each[0] for each in kernels], [])
        return [cell.on_all_paths(each) for cell, each in zip(cells, sent, strict=True)]


def mixed(
    bundles: Sequence[EdgeBundle],
    states: Sequence[Tensor],
    mixing: Sequence[Mixing],
    kernels: Sequence[Kernels],
    arrived: Sequence[Tensor],
) -> list[Tensor]:
    """The mixed operations of bundles, each on a state, with what has arrived before.

    Args:
        bundles: one for each level.
        states: of each, (B * paths, channels, H, W).
        mixing, kernels: of each.
        arrived: of the finest levels, (B * paths, edges * channels, H, W); nothing has arrived at the others.

    Returns:
        For each level the same.
    """
    inputs = in_step.operands(states)
    halves = [
        bundle.norm1(_convolve(x, first))
        for bundle, x, (first, _, _) in zip(bundles, inputs.separable, kernels, strict=False)
    ]
    found = []
    for level, middle in enumerate(in_step.relu(halves)):
        bundle, (_, second, dilated) = bundles[level], kernels[level]
        parts = [
            _convolve(middle, second),
            _convolve(inputs.dilated[level], dilated, dilation=2),
            bundle.max_pool(inputs.maximum[level]),
            bundle.average_pool(inputs.average[level]),
        ]
        weights = [each.expand(len(middle), -1, -1) for each in mixing[level]]
        normalised, x = bundle.norm(torch.cat(parts, 1)).flatten(2), inputs.skip[level].flatten(2)
        skipped = torch.baddbmm(arrived[level].flatten(2), weights[1], x) if level < len(arrived) else weights[1] @ x
        found.append(torch.baddbmm(skipped, weights[0], normalised).unflatten(2, middle.shape[2:]))
    return found


def _convolve(x: Tensor, kernel: Kernel, dilation: int = 1) -> Tensor:
    """All convolutions of a kind; each sees its own channels, where ``x`` has as many, or else the same ones."""
    if isinstance(kernel, Tensor):
        return F.conv2d(x, kernel, None, 1, 2 * dilation, dilation, x.shape[1] // kernel.shape[1])
    depthwise, pointwise = kernel
    x = x.repeat(1, len(depthwise) // x.shape[1], 1, 1) if x.shape[1] < len(depthwise) else x
    x = F.conv2d(x, depthwise, None, 1, 2 * dilation, dilation, len(depthwise))
    return F.conv2d(x, pointwise, groups=len(pointwise) // pointwise.shape[1])


def kernels_of(bundles: Sequence[EdgeBundle]) -> list[Kernels]:
    """The kernels of bundles of the same channels, those of all bundles made at once."""
    kinds: Any = (
        [(bundle.depthwise1, bundle.pointwise1) for bundle in bundles],
        [(bundle.depthwise2, bundle.pointwise2) for bundle in bundles],
        [(bundle.depthwise_dilated, bundle.pointwise_dilated) for bundle in bundles],
    )
    sizes = [2 * bundle.edges * bundle.channels for bundle in bundles]
    return list(zip(*(_of_a_kind(pairs, sizes) for pairs in kinds), strict=True))


def _of_a_kind(pairs: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]], sizes: list[int]) -> Sequence[Kernel]:
    """Of each pair: depthwise convolutions, of 3 and of 5 pixels, and the 1x1 convolutions after each."""
    small, large = ([depthwise[size] for depthwise, _ in pairs] for size in (0, 1))
    padded = F.pad(torch.cat(small), (1, 1, 1, 1)).split([len(each) for each in small])
    depthwise = torch.cat([each for both in zip(padded, large, strict=True) for each in both])
    pointwise = torch.cat([each for _, both in pairs for each in both])
    if pointwise.shape[1] <= FEW:
        return composed(depthwise, pointwise).split(sizes)
    return list(zip(depthwise.split(sizes), pointwise.split(sizes), strict=True))
