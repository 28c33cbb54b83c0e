"""Architectures of the ``densenas`` space: a path through densely connected routing blocks, and the depth of each.

DenseNAS-R1 (Fang et al. 2020). Source: paper section 4.1; reference code, densenas/*/configs and densenas_1d/configs.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from nasperf360.spaces.densenas.routing_graph import RoutingGraph
from nasperf360.spaces.densenas.spec import SPEC, DenseNasSettings
from nasperf360.spaces.shared.encoding import Architecture, Encoding


class DenseNasEncoding(Encoding):
    """An architecture is ``{"space": "densenas", "channels": [stem, block, block, ...], "layers": [n, n, ...]}``.

    ``channels`` names the blocks of the path by their widths, which are all different; ``layers`` counts the basic
    blocks of each after its first.
    """

    spec = SPEC
    settings: DenseNasSettings

    @cached_property
    def graph(self) -> RoutingGraph:
        """The routing blocks."""
        return RoutingGraph.of(self.settings, self.signature.dense)

    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.compose(*self.graph.sample(rng))

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)
        channels, layers = architecture.get("channels", []), architecture.get("layers", [])
        for key, values in (("channels", channels), ("layers", layers)):
            if not isinstance(values, list | tuple) or any(type(value) is not int for value in values):
                raise self.refusal(f"{key} {values}, expected a list of whole numbers")
        index_of, blocks = self.graph.index_of, self.graph.blocks
        if unknown := [width for width in channels if width not in index_of]:
            raise self.refusal(f"channels {unknown[0]}, allowed are {', '.join(map(str, index_of))}")
        path = [index_of[width] for width in channels]
        steps = pairwise([*path, self.graph.tail])
        if path[:1] != [0] or any(target not in self.graph.successors[source] for source, target in steps):
            raise self.refusal(f"channels {channels} are no path from the stem to the end of the network")
        if len(layers) != len(path) - 1:
            raise self.refusal(f"{len(layers)} numbers of layers for {len(path) - 1} blocks after the stem")
        for index, depth in zip(path[1:], layers, strict=True):
            if not 0 <= depth <= blocks[index].layers:
                raise self.refusal(
                    f"{depth} layers in the block of {blocks[index].width} channels, "
                    f"allowed are 0 to {blocks[index].layers}"
                )

    def compose(self, path: Sequence[int], layers: Sequence[int]) -> Architecture:
        """The architecture of a path: its blocks between stem and tail, and their layers."""
        widths = [self.graph.blocks[index].width for index in (0, *path)]
        return {"space": self.spec.name, "channels": widths, "layers": list(layers)}
