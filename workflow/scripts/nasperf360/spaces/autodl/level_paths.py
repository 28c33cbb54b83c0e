"""Paths through the levels of resolution of Auto-DeepLab: the level of each layer, one step at most from the last.

Level 0 is the finest, and the stem is at level 0. Source: Liu et al. 2019 (Auto-DeepLab), section 3.2.
"""

from collections.abc import Sequence

import numpy as np

LEVELS = 4
DIRECTIONS = 3  # to the next finer level, the same, the next coarser


def neighbours(level: int, reached: int = LEVELS) -> tuple[int, ...]:
    """Levels that a cell of ``level`` hears from, finest first, of those that layers before have ``reached``."""
    return tuple(other for other in (level - 1, level, level + 1) if 0 <= other < reached)


def direction(source: int, target: int) -> int:
    """Position of a step in the weights of a level."""
    return 1 + target - source


def best_path(weights: np.ndarray) -> list[int]:
    """The path with the largest product of weights, by the Viterbi algorithm; ties to finer levels.

    Args:
        weights: (layers, levels, 3): of the step that reaches a layer from a level, see :func:`direction`. The first
            layer is reached from level 0.
    """
    layers, levels, _ = weights.shape
    best = np.zeros(levels)
    best[0] = 1.0
    came_from = np.zeros((layers, levels), int)
    for layer in range(layers):
        reach = np.zeros((levels, levels))  # from, to
        for target in range(levels):
            for source in neighbours(target, levels):
                reach[source, target] = best[source] * weights[layer, source, direction(source, target)]
        came_from[layer] = reach.argmax(0)
        best = reach.max(0)
        best /= best.max() or 1.0  # far below the smallest number otherwise, after many layers
    path = [int(best.argmax())]
    for layer in range(layers - 1, 0, -1):
        path.insert(0, int(came_from[layer, path[0]]))
    return path


def random_path(rng: np.random.Generator, layers: int, levels: int = LEVELS) -> list[int]:
    """A path drawn uniformly from all."""
    ahead = [np.ones(levels)]  # paths that go on from each level, by the layers still to come
    for _ in range(layers):
        ahead.append(
            np.array([sum(ahead[-1][target] for target in neighbours(level, levels)) for level in range(levels)])
        )
    path: list[int] = []
    for layer in range(layers):
        targets = neighbours(path[-1] if path else 0, levels)
        counts = ahead[layers - 1 - layer][list(targets)]
        path.append(int(rng.choice(targets, p=counts / counts.sum())))
    return path


def is_path(path: Sequence[int], levels: int = LEVELS) -> bool:
    """Whether each level exists and is at most one step from the last."""
    steps = zip([0, *path], path, strict=False)
    return all(0 <= target < levels and abs(target - source) <= 1 for source, target in steps)
