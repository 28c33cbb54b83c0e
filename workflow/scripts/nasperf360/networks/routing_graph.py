"""The graph of routing blocks that DenseNAS searches: which block may follow which, and paths through it. No torch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from nasperf360.errors import UserError
from nasperf360.setting_names import unknown_name

if TYPE_CHECKING:
    import numpy as np

STAGE_KEYS = ("channels", "layers", "stride")


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
    reach: int = 10

    @classmethod
    def of(cls, stem: int, stages: Sequence[Mapping[str, Any]], tail: int, reach: int, dense: bool) -> RoutingGraph:
        """The graph of a configuration.

        Args:
            stem: width of the stem.
            stages: each ``channels`` (widths of its blocks), ``layers`` (of each block, or one number for all) and
                ``stride`` (1 or 2: resolution relative to the stage before).
            tail: width of the last convolution.
            reach: how far ahead a block connects.
            dense: keep the resolution throughout.

        Raises:
            UserError: a stage that is none of these.
        """
        if not isinstance(stages, list | tuple) or not stages:
            raise UserError(f"spaces.densenas: stages {stages!r}; give a list of mappings with {', '.join(STAGE_KEYS)}")
        for number, stage in enumerate(stages):
            _check_stage(f"spaces.densenas: stages.{number}", stage)
        blocks, scale = [RoutingBlock(stem, 0, 1, 0)], 1
        for number, stage in enumerate(stages, start=1):
            scale *= 1 if dense else stage.get("stride", 1)
            widths, layers = stage["channels"], stage["layers"]
            depths = [layers] * len(widths) if isinstance(layers, int) else layers
            blocks += [RoutingBlock(width, number, scale, depth) for width, depth in zip(widths, depths, strict=True)]
        blocks.append(RoutingBlock(tail, len(stages) + 1, scale, 0))
        return cls(tuple(blocks), reach)

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
        totals = [0] * len(self.blocks)
        for index in reversed(range(len(self.blocks))):
            following = self.successors[index]
            totals[index] = choices[index] * (sum(totals[target] for target in following) if following else 1)
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
        for index in reversed(range(len(self.blocks) - 1)):
            best[index] = max(
                (
                    (math.log(weight) if weight > 0 else -math.inf) + best[target][0],
                    -target,  # the earlier of two equally good blocks
                )
                for weight, target in zip(weights[index], self.successors[index], strict=True)
            )
        path, index = [], -best[0][1]
        while index != len(self.blocks) - 1:
            path.append(index)
            index = -best[index][1]
        return path


def _check_stage(where: str, stage: Any) -> None:
    if not isinstance(stage, Mapping):
        raise UserError(f"{where}: {stage!r}; give a mapping with {', '.join(STAGE_KEYS)}")
    for key in stage:
        if key not in STAGE_KEYS:
            raise UserError(unknown_name(f"{where}: unknown key '{key}'", str(key), STAGE_KEYS))
    for key in STAGE_KEYS[:2]:
        if key not in stage:
            raise UserError(f"{where}: '{key}' is missing; add it")
    widths, layers, stride = stage["channels"], stage["layers"], stage.get("stride", 1)
    if not _counts(widths, least=1) or not widths:
        raise UserError(f"{where}: channels {widths!r}; give a list of whole numbers of at least 1")
    if not _counts([layers], least=0) and not (_counts(layers, least=0) and len(layers) == len(widths)):
        raise UserError(
            f"{where}: layers {layers!r}; give a whole number, or a list of {len(widths)}, one for each of the channels"
        )
    if not _counts([stride], least=1) or stride > 2:
        raise UserError(f"{where}: stride {stride!r}; a stage keeps or halves the resolution: give 1 or 2")


def _counts(values: Any, least: int) -> bool:
    """Whether it is a list of whole numbers of at least ``least``."""
    return isinstance(values, list | tuple) and all(type(value) is int and value >= least for value in values)
