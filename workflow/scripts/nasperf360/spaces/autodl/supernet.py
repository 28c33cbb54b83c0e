"""The one-shot network of the Auto-DeepLab space: cells of all levels in every layer, mixed.

Source: Liu et al. 2019; reference code, autodeeplab/auto_deeplab.py, cell_level_search.py.
"""

from collections.abc import Iterable
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn

from nasperf360.spaces.autodl import in_step
from nasperf360.spaces.autodl.encoding import NODES
from nasperf360.spaces.autodl.level_paths import DIRECTIONS, LEVELS, direction, neighbours
from nasperf360.spaces.autodl.parts import ImagePool, conv_norm, initialise, level_sizes, stem_layer
from nasperf360.spaces.autodl.resize import crop, pad, resize
from nasperf360.spaces.autodl.search_layer import Kernels, Mixing, PathBundle, SearchCell, SearchLayer, kernels_of
from nasperf360.spaces.shared.cells import OPERATIONS, edges, edges_by_source
from nasperf360.spaces.shared.edge_bundle import sum_of
from nasperf360.spaces.shared.supernet import Supernet

BORDER_WEIGHT = 2 / 3  # of levels that have two ways to go on, so that each weighs as one of three
NOISE = 1e-3  # standard deviation of the first architecture parameters
JOIN_EPS = 3e-4  # of the heads' last normalisation: the reference passes a number meant as momentum


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
                SearchLayer(
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
        last, following = [self.stem(x)], list[Tensor]()
        for layer in cast(Iterable[SearchLayer], self.layers):
            before, levels = following, range(len(layer))
            last, others = in_step.twice(last)
            resized = [
                resize(others[source], sizes[level])
                for level in levels
                for source in neighbours(level, len(last))
                if source != level
            ]
            active = in_step.relu([*last, *resized])
            own, following = in_step.twice(active[: len(last)])
            moved = iter(active[len(last) :])
            inputs = [
                [own[source] if source == level else next(moved) for source in neighbours(level, len(last))]
                for level in levels
            ]
            last = layer(before, inputs, mixing, [kernels[cell] for cell in layer], list(islice(steps, len(layer))))
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

    def _mixing(self) -> list[list[Mixing]]:
        """For each level, how the edges from each input and node of its cells mix: in all of its cells alike."""
        weights = self.mixture("operations").index_select(0, self.order).split(self.leaving)
        found = []
        for level in range(LEVELS):
            first = self._cells(level)[0]
            # The two inputs of a cell have as many edges, but not every cell has the first one.
            bundles = [cast(PathBundle, first.bundles[max(0, source - 1)]) for source in range(len(weights))]
            found.append([bundle.by_input(each) for bundle, each in zip(bundles, weights, strict=True)])
        return found

    def _kernels(self) -> dict[nn.Module, list[Kernels]]:
        """The composed kernels of each cell, those of a level computed together."""
        found: dict[nn.Module, list[Kernels]] = {}
        for level in range(LEVELS):
            cells = self._cells(level)
            kernels = iter(kernels_of([bundle for cell in cells for bundle in cell.sources]))
            found |= {cell: list(islice(kernels, len(cell.sources))) for cell in cells}
        return found
