"""The one-shot network of the Auto-DeepLab space: cells of all levels in every layer, mixed.

Source: Liu et al. 2019; reference code, autodeeplab/auto_deeplab.py, cell_level_search.py.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasperf360.spaces.autodl.encoding import NODES
from nasperf360.spaces.autodl.level_paths import DIRECTIONS, LEVELS, direction, neighbours
from nasperf360.spaces.autodl.parts import ImagePool, conv_norm, initialise, level_sizes, stem_layer
from nasperf360.spaces.autodl.resize import crop, pad, resize
from nasperf360.spaces.shared.cells import OPERATIONS, edges, edges_from
from nasperf360.spaces.shared.edge_bundle import EdgeBundle, Norm, sum_of
from nasperf360.spaces.shared.operations import Layers, relu_conv_norm
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
        self.preprocess0 = None if earlier is None else relu_conv_norm(earlier, channels, layers)
        self.preprocess1 = nn.ModuleList(relu_conv_norm(each, channels, layers) for each in incoming)
        # What comes from the cell before the last is the same on all paths: computed once.
        self.bundle0 = None if earlier is None else PathBundle(channels, NODES, 1, layers)
        self.bundles = nn.ModuleList(PathBundle(channels, NODES - node, self.paths, layers) for node in range(NODES))

    def forward(self, s0: Tensor | None, s1: Sequence[Tensor], operations: Tensor, steps: Tensor) -> Tensor:
        """Output of the cell: the sum over its paths.

        Args:
            s0: output of the cell before the last at this level.
            s1: outputs of the cells of the layer before, resized to this level.
            operations: (20, 8), weights of the operations on each edge, node by node.
            steps: (paths,), weights of the paths.

        Returns:
            (B, 5 * channels, H, W).
        """
        arrived: list[list[Tensor]] = [[] for _ in range(NODES)]
        if self.preprocess0 is not None and self.bundle0 is not None and s0 is not None:
            parts = self.bundle0(self.preprocess0(s0), operations[edges_from(0, NODES)]).split(self.channels, 1)
            for terms, part in zip(arrived, parts, strict=True):
                terms.append(part.repeat_interleave(self.paths, 0) if self.paths > 1 else part)
        paths = [preprocess(x) for preprocess, x in zip(self.preprocess1, s1, strict=True)]
        state = torch.stack(paths, 1).flatten(0, 1)
        nodes: list[Tensor] = []
        for node, bundle in enumerate(self.bundles):
            parts = bundle(state, operations[edges_from(node + 1, NODES)]).split(self.channels, 1)
            for terms, part in zip(arrived[node:], parts, strict=True):
                terms.append(part)
            state = sum_of(arrived[node])
            nodes.append(state)
        joined = torch.cat(nodes, 1)
        return torch.einsum("bpchw,p->bchw", joined.unflatten(0, (-1, self.paths)), steps)


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

    def level_weights(self) -> Tensor:
        """Weights (layers, levels, 3) of the steps from each level."""
        weights = self.mixture("levels").unflatten(1, (LEVELS, DIRECTIONS))
        return torch.cat([weights[:, :1] * BORDER_WEIGHT, weights[:, 1:-1], weights[:, -1:] * BORDER_WEIGHT], 1)

    def _mixing_weights(self) -> Tensor:
        """The same with the published slip, if wanted, which does not touch what is derived."""
        weights = self.level_weights()
        if self.slips:
            weights = weights.clone()
            weights[1, 1, direction(1, 1)] = weights[1, 1, direction(1, 2)].clone()
        return weights

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = pad(x, self.pad_to)
        sizes = level_sizes(x.shape[2], x.shape[3], LEVELS)
        operations, levels = self.mixture("operations"), self._mixing_weights()
        before: list[Tensor] = []
        last: list[Tensor] = [self.stem(x)]
        for weights, cells in zip(levels, self.layers, strict=True):
            current = []
            for level, cell in enumerate(cast(nn.ModuleList, cells)):
                sources = neighbours(level, len(last))
                current.append(
                    cell(
                        before[level] if level < len(before) else None,
                        [resize(last[source], sizes[level]) for source in sources],
                        operations,
                        torch.stack([weights[source, direction(source, level)] for source in sources]),
                    )
                )
            before, last = last, current
        heads = [resize(head(each), (x.shape[2], x.shape[3])) for head, each in zip(self.heads, last, strict=True)]
        return crop(sum_of(heads), height, width, self.pad_to)
