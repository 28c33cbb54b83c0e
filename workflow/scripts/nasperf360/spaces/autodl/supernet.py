"""The one-shot network of the Auto-DeepLab space: cells of all levels in every layer, mixed.

Source: Liu et al. 2019; reference code, autodeeplab/auto_deeplab.py, cell_level_search.py.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.autodl.encoding import NODES
from nasperf360.spaces.autodl.level_paths import DIRECTIONS, LEVELS, direction, neighbours
from nasperf360.spaces.autodl.parts import ImagePool, conv_norm, initialise, level_sizes, stem_layer
from nasperf360.spaces.autodl.resize import crop, pad, resize
from nasperf360.spaces.shared.cells import OPERATIONS, edges, edges_by_source
from nasperf360.spaces.shared.edge_bundle import EdgeBundle, Norm, composed, sum_of
from nasperf360.spaces.shared.operations import Layers
from nasperf360.spaces.shared.supernet import Supernet

BORDER_WEIGHT = 2 / 3  # of levels that have two ways to go on, so that each weighs as one of three
NOISE = 1e-3  # standard deviation of the first architecture parameters
JOIN_EPS = 3e-4  # of the heads' last normalisation: the reference passes a number meant as momentum


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

    def forward(
        self, s0: Tensor | None, s1: Sequence[Tensor], mixing: Sequence[Tensor], kernels: Sequence[Any], steps: Tensor
    ) -> Tensor:
        """Output of the cell: the sum over its paths.

        Args:
            s0: output of the cell before the last at this level, activated.
            s1: outputs of the cells of the layer before, resized to this level and activated.
            mixing: of the edges from each input and node, as their bundles mix.
            kernels: of :attr:`sources`, one for each, as :func:`composed` gives them.
            steps: (paths,), weights of the paths.

        Returns:
            (B, 5 * channels, H, W).
        """
        own = iter(kernels)
        # Of the nodes still to come, channel by channel: what has arrived so far, on each path.
        arrived: Tensor | None = None
        if self.project0 is not None and self.bundle0 is not None and s0 is not None:
            arrived = self.bundle0(self.norm0(self.project0(s0)), mixing[0], next(own))
        paths = [project(x) for project, x in zip(self.project1, s1, strict=True)]
        state = self.norm1(torch.stack(paths, 1).flatten(0, 1) if self.paths > 1 else paths[0])
        nodes: list[Tensor] = []
        for bundle, weights in zip(self.bundles, mixing[1:], strict=True):
            sent = bundle(state, weights, next(own))
            if arrived is None:
                arrived = sent
            elif len(arrived) < len(sent):
                arrived = (arrived[:, None] + sent.unflatten(0, (-1, self.paths))).flatten(0, 1)
            else:
                arrived = arrived + sent
            state, arrived = arrived.split([self.channels, arrived.shape[1] - self.channels], 1)
            nodes.append(state)
        joined = torch.cat(nodes, 1)
        if self.paths == 1:
            return joined * steps
        by_path = joined.view(-1, self.paths, joined[0].numel())
        return (steps.expand(len(by_path), 1, -1) @ by_path).view(-1, *joined.shape[1:])

    @property
    def sources(self) -> list[EdgeBundle]:
        """The edges from each input, where there is one, and from each node."""
        return [bundle for bundle in (self.bundle0, *self.bundles) if isinstance(bundle, EdgeBundle)]


class SmallASPP(nn.Module):
    """Head of one level: 1x1, dilated 3x3 and pooled image, joined; no activation after the first two."""

    def __init__(self, channels: int, outputs: int, dilation: int):
        super().__init__()
        self.branches = nn.ModuleList(
            [conv_norm(channels, channels), conv_norm(channels, channels, 3, dilation), ImagePool(channels, channels)]
        )
        self.join = conv_norm(3 * channels, channels, eps=JOIN_EPS)
        self.classify = nn.Conv2d(channels, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.join(torch.cat([branch(x) for branch in self.branches], 1)))


class SearchNetwork(Supernet):
    """Layers of search cells on up to four levels. Maps (B, channels, H, W) to (B, outputs, H, W), of any size.

    What the cells of a level compute of their weights is computed for all of them at once.

    Architecture parameters: ``operations`` (20, 8); ``levels`` (layers, 12), four levels by three directions, where
    the border levels have two to choose from and the third number is not used (the betas of the paper).

    Args:
        input_channels: of the input.
        outputs: channels per pixel.
        width: channels per node at the finest level; doubled from level to level.
        layers: of cells.
        pad_to: images are padded to a multiple of it, and the output cut back.
        slips: whether the second layer's step from level 1 to itself has the weight of that to level 2, as published.
    """

    order: Tensor
    steps: Tensor

    def __init__(self, input_channels: int, outputs: int, *, width: int, layers: int, pad_to: int, slips: bool):
        super().__init__()
        self.pad_to, self.slips = pad_to, slips
        channels = [width * NODES << level for level in range(LEVELS)]
        self.stem = nn.Sequential(
            stem_layer(input_channels, channels[0] // 2, 2),
            stem_layer(channels[0] // 2, channels[0] // 2),
            stem_layer(channels[0] // 2, channels[0], 2),
        )
        self.layers = nn.ModuleList()
        before, reached = 0, 1  # levels with a map of the layer before the last, and of the last
        for _ in range(layers):
            self.layers.append(
                nn.ModuleList(
                    SearchCell(
                        channels[level] if level < before else None,
                        [channels[source] for source in neighbours(level, reached)],
                        width << level,
                    )
                    for level in range(min(reached + 1, LEVELS))
                )
            )
            before, reached = reached, min(reached + 1, LEVELS)
        self.heads = nn.ModuleList(SmallASPP(channels[level], outputs, 24 >> level) for level in range(LEVELS))
        initialise(self)
        self.architecture["operations"] = nn.Parameter(NOISE * torch.randn(edges(NODES), len(OPERATIONS)))
        self.architecture["levels"] = nn.Parameter(NOISE * torch.randn(layers, LEVELS * DIRECTIONS))
        self.choices["levels"] = (1, 2, *[DIRECTIONS] * (LEVELS - 2), 2, 1)
        order, self.leaving = edges_by_source(NODES)
        self.register_buffer("order", torch.tensor(order), persistent=False)
        # Of each cell, where the weights of the steps into it stand among those of all layers.
        places = [self._places(layer, level) for layer in range(layers) for level in range(len(self._layer(layer)))]
        self.paths = [len(place) for place in places]
        self.register_buffer("steps", torch.tensor([each for place in places for each in place]), persistent=False)

    def level_weights(self) -> Tensor:
        """Weights (layers, levels, 3) of the steps from each level."""
        weights = self.mixture("levels").unflatten(1, (LEVELS, DIRECTIONS))
        return torch.cat([weights[:, :1] * BORDER_WEIGHT, weights[:, 1:-1], weights[:, -1:] * BORDER_WEIGHT], 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = pad(x, self.pad_to)
        sizes = level_sizes(x.shape[2], x.shape[3], LEVELS)
        mixing, kernels = self._mixing(), self._kernels()
        steps = iter(self.level_weights().flatten().index_select(0, self.steps).split(self.paths))
        before: list[Tensor] = []
        last: list[Tensor] = [self.stem(x)]
        active: list[Tensor] = []
        for cells in self.layers:
            before, active = active, [F.relu(each) for each in last]
            current = []
            for level, cell in enumerate(cast(Iterable[SearchCell], cells)):
                sources = neighbours(level, len(last))
                current.append(
                    cell(
                        before[level] if level < len(before) else None,
                        [
                            active[source] if source == level else F.relu(resize(last[source], sizes[level]))
                            for source in sources
                        ],
                        mixing[level],
                        kernels[cell],
                        next(steps),
                    )
                )
            last = current
        heads = [resize(head(each), (x.shape[2], x.shape[3])) for head, each in zip(self.heads, last, strict=True)]
        return crop(sum_of(heads), height, width, self.pad_to)

    def _layer(self, number: int) -> list[SearchCell]:
        """The cells of a layer, by level."""
        return list(cast(Iterable[SearchCell], self.layers[number]))

    def _places(self, layer: int, level: int) -> list[int]:
        """Where the weights of the steps into a cell stand in :meth:`level_weights`, flattened."""
        places = []
        for source in neighbours(level, len(self._layer(layer - 1)) if layer else 1):
            slipped = self.slips and (layer, source, level) == (1, 1, 1)
            places.append((layer * LEVELS + source) * DIRECTIONS + direction(source, 2 if slipped else level))
        return places

    def _cells(self, level: int) -> list[SearchCell]:
        """Of one level, the first one first."""
        layers = map(self._layer, range(len(self.layers)))
        return [cells[level] for cells in layers if level < len(cells)]

    def _mixing(self) -> list[list[Tensor]]:
        """For each level, how the edges from each input and node of its cells mix: in all of its cells alike."""
        weights = self.mixture("operations").index_select(0, self.order).split(self.leaving)
        found = []
        for level in range(LEVELS):
            bundles: Any = self._cells(level)[0].bundles
            # The two inputs of a cell have as many edges, but not every cell has the first one.
            found.append([bundles[max(0, source - 1)].mixing(each) for source, each in enumerate(weights)])
        return found

    def _kernels(self) -> dict[nn.Module, list[tuple[Tensor, ...]]]:
        """The composed kernels of each cell, those of a level computed together."""
        found: dict[nn.Module, list[tuple[Tensor, ...]]] = {}
        for level in range(LEVELS):
            cells = self._cells(level)
            kernels = iter(composed([bundle for cell in cells for bundle in cell.sources]))
            found |= {cell: list(islice(kernels, len(cell.sources))) for cell in cells}
        return found
