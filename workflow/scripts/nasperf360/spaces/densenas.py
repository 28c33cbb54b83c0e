"""The ``densenas`` space: a path through densely connected routing blocks, and the depth of each block on it.

DenseNAS-R1 (Fang et al. 2020). Source: paper section 4.1; reference code, densenas/*/configs and densenas_1d/configs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nasperf360.errors import UserError
from nasperf360.networks.routing_graph import RoutingGraph
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nasperf360.networks.supernet import Supernet

STAGES: tuple[dict[str, Any], ...] = (
    {"channels": [48, 56, 64], "layers": 0, "stride": 1},
    {"channels": [72, 96, 112], "layers": 5, "stride": 2},
    {"channels": [128, 144, 160, 176], "layers": 15, "stride": 2},
    {"channels": [192, 208, 224], "layers": 5, "stride": 1},
)
"""Of CIFAR-100 in the reference code."""


class DenseNasSpace(SearchSpace):
    """An architecture is ``{"space": "densenas", "channels": [stem, block, block, ...], "layers": [n, n, ...]}``.

    ``channels`` names the blocks of the path by their widths, which are all different; ``layers`` counts the basic
    blocks of each after its first.

    Settings: ``stem`` (32), ``stages`` (see :meth:`RoutingGraph.of`), ``last`` (224, the width of the supernet's last
    convolution), ``reach`` (10), ``stem_stride`` (2, of the supernet on point tasks), ``temperature`` (0.9),
    ``cost_in_1d`` (False: as published, convolutions of 1-D supernets cost nothing).
    """

    name = "densenas"
    has_supernet = True
    samples_operations = True
    setting_names = SettingNames.of(
        optional="stem:count stages last:count reach:count stem_stride:count temperature:positive cost_in_1d:flag"
    )

    def check_settings(self) -> None:
        _ = self.graph

    @cached_property
    def graph(self) -> RoutingGraph:
        """The routing blocks.

        Raises:
            UserError: the settings make none.
        """
        graph = RoutingGraph.of(
            self.settings.get("stem", 32),
            self.settings.get("stages", STAGES),
            self.settings.get("last", 224),
            self.settings.get("reach", 10),
            self.signature.dense,
        )
        widths = [block.width for block in graph.blocks[:-1]]
        if len(set(widths)) < len(widths):
            raise UserError(f"spaces.densenas: the blocks' channels {widths} name one twice; make them all different")
        return graph

    def sample(self, rng: np.random.Generator) -> Architecture:
        return self._architecture(*self.graph.sample(rng))

    def check(self, architecture: Architecture) -> None:
        self._check_space(architecture)
        channels, layers = architecture.get("channels", []), architecture.get("layers", [])
        blocks = self.graph.blocks
        index_of = {block.width: index for index, block in enumerate(blocks[:-1])}
        where = "architecture of space 'densenas'"
        for key, values in (("channels", channels), ("layers", layers)):
            if not isinstance(values, list | tuple) or any(type(value) is not int for value in values):
                raise UserError(f"{where}: {key} {values}, expected a list of whole numbers")
        if unknown := [width for width in channels if width not in index_of]:
            raise UserError(f"{where}: channels {unknown[0]}, allowed are {', '.join(map(str, index_of))}")
        path = [index_of[width] for width in channels]
        steps = pairwise([*path, len(blocks) - 1])
        if path[:1] != [0] or any(target not in self.graph.successors[source] for source, target in steps):
            raise UserError(f"{where}: channels {channels} are no path from the stem to the end of the network")
        if len(layers) != len(path) - 1:
            raise UserError(f"{where}: {len(layers)} numbers of layers for {len(path) - 1} blocks after the stem")
        for index, depth in zip(path[1:], layers, strict=True):
            if not 0 <= depth <= blocks[index].layers:
                raise UserError(
                    f"{where}: {depth} layers in the block of {blocks[index].width} channels, "
                    f"allowed are 0 to {blocks[index].layers}"
                )

    def build(self, architecture: Architecture) -> nn.Module:
        from nasperf360.networks.densenas import DenseNasNetwork

        self.check(architecture)
        index_of = {block.width: index for index, block in enumerate(self.graph.blocks[:-1])}
        return DenseNasNetwork(
            self.signature.dimensions,
            self.signature.input_shape[0],
            self.signature.outputs,
            self.signature.dense,
            self.graph,
            [index_of[width] for width in architecture["channels"][1:]],
            architecture["layers"],
        )

    def supernet(self) -> Supernet:
        from nasperf360.networks.densenas import DenseNasSupernet

        signature = self.signature
        return DenseNasSupernet(
            signature.dimensions,
            signature.input_shape,
            signature.outputs,
            signature.dense,
            self.graph,
            stem_stride=1 if signature.dense else self.settings.get("stem_stride", 2),
            temperature=self.settings.get("temperature", 0.9),
            count_cost=signature.dimensions == 2 or self.settings.get("cost_in_1d", False),
        )

    def derive(self, supernet: Supernet) -> Architecture:
        """The most probable path, and in its blocks the stack layers whose basic block outweighs the skip."""
        weights = [supernet.relax(group).tolist() for group in supernet.groups("connections")]
        path = self.graph.best_path(weights)
        kept = (supernet.architecture["layers"][:, 0] > supernet.architecture["layers"][:, 1]).tolist()
        depths = [block.layers for block in self.graph.blocks]
        first = [sum(depths[:index]) for index in range(len(depths))]
        return self._architecture(path, [sum(kept[first[index] : first[index] + depths[index]]) for index in path])

    def _architecture(self, path: Sequence[int], layers: Sequence[int]) -> Architecture:
        widths = [self.graph.blocks[index].width for index in (0, *path)]
        return {"space": self.name, "channels": widths, "layers": list(layers)}


SPACE = DenseNasSpace
