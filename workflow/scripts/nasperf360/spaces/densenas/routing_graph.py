"""The graph of routing blocks that DenseNAS searches: which block may follow which, and paths through it. No torch."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Self

import numpy as np

from nasperf360.spaces.densenas.spec import DenseNasSettings


@dataclass(frozen=True)
class RoutingBlock:
    """One block: its width, stage, resolution (the stem's divided by ``scale``), and number of stack layers."""

    width: int
    stage: int
    scale: int
    layers: int


@dataclass(frozen=True)
class RoutingGraph:
    """Blocks in order, the stem first and the tail last.

    A block connects to the blocks after it, up to ``reach`` ahead, until one is more than a stage away or at neither
    the same nor half the resolution. A path leads from the stem to the tail.
    """

    blocks: tuple[RoutingBlock, ...]
    reach: int

    @classmethod
    def of(cls, settings: DenseNasSettings, dense: bool) -> Self:
        """The graph of a configuration; of dense tasks all blocks have the same resolution."""
        blocks, scale = [RoutingBlock(settings.stem, 0, 1, 0)], 1
        for number, stage in enumerate(settings.stages, start=1):
            scale *= 1 if dense else stage.stride
            depths = [stage.layers] * len(stage.channels) if isinstance(stage.layers, int) else stage.layers
            for width, layers in zip(stage.channels, depths, strict=True):
                blocks.append(RoutingBlock(width, number, scale, layers))
        blocks.append(RoutingBlock(settings.last, len(settings.stages) + 1, scale, 0))
        return cls(tuple(blocks), settings.reach)

    @property
    def tail(self) -> int:
        """The last block."""
        return len(self.blocks) - 1

    @cached_property
    def index_of(self) -> dict[int, int]:
        """Blocks but the tail, by their widths."""
        return {block.width: index for index, block in enumerate(self.blocks[:-1])}

    @cached_property
    def layer_rows(self) -> tuple[slice, ...]:
        """For each block, its stack layers in a list of those of all blocks."""
        ends = accumulate((block.layers for block in self.blocks), initial=0)
        return tuple(slice(first, last) for first, last in pairwise(ends))

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """Blocks that may follow each block; none follows the tail."""
        return tuple(self._successors(index) for index in range(len(self.blocks)))

    def _successors(self, index: int) -> tuple[int, ...]:
        source, found = self.blocks[index], []
        for number in range(index + 1, min(index + 1 + self.reach, len(self.blocks))):
            block = self.blocks[number]
            if block.stage - source.stage > 1 or block.scale // source.scale > 2:
                break
            found.append(number)
        return tuple(found)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """All connections (source, target), by source."""
        return tuple((source, target) for source, targets in enumerate(self.successors) for target in targets)

    def stride(self, source: int, target: int) -> int:
        """Stride of a connection."""
        return self.blocks[target].scale // self.blocks[source].scale

    @cached_property
    def paths(self) -> int:
        """Number of paths."""
        return self._totals([1] * len(self.blocks))[0]

    @cached_property
    def size(self) -> int:
        """Number of distinct networks: paths, each with any number of layers in each block."""
        return self._networks[0]

    @cached_property
    def _networks(self) -> list[int]:
        return self._totals([block.layers + 1 for block in self.blocks])

    def _totals(self, choices: Sequence[int]) -> list[int]:
        """For each block, the number of continuations, block ``b`` itself counting ``choices[b]`` ways."""
        totals = list(choices)
        for index in reversed(range(len(totals))):
            if following := self.successors[index]:
                totals[index] *= sum(totals[target] for target in following)
        return totals

    def sample(self, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """A network drawn uniformly from all :attr:`size`: its blocks between stem and tail, and their layers."""
        totals = self._networks
        path, index = [], 0
        while following := self.successors[index]:
            # Each continuation as often as it has networks.
            bounds = list(accumulate(totals[target] for target in following))
            index = following[bisect_right(bounds, rng.random() * bounds[-1])]
            path.append(index)
        path.pop()  # the tail
        return path, [int(rng.integers(self.blocks[index].layers + 1)) for index in path]

    def best_path(self, weights: Sequence[Sequence[float]]) -> list[int]:
        """Viterbi: the path from stem to tail whose product of connection weights is the largest.

        Args:
            weights: of the connections to the :attr:`successors` of each block, positive or 0.

        Returns:
            Blocks between stem and tail.
        """
        best: list[tuple[float, int]] = [(0.0, 0)] * len(self.blocks)
        for index in reversed(range(self.tail)):
            best[index] = max(
                (
                    (math.log(weight) if weight > 0 else -math.inf) + best[target][0],
                    -target,  # the earlier of two equally good blocks
                )
                for weight, target in zip(weights[index], self.successors[index], strict=True)
            )
        path, index = [], -best[0][1]
        while index != self.tail:
            path.append(index)
            index = -best[index][1]
        return path
