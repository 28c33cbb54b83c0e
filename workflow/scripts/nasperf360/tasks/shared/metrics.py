"""A task's metric, and what else is worth reporting of its outputs, by name. No torch: ``evaluate`` needs none."""

from collections.abc import Callable, Mapping

import numpy as np

from nasperf360.registry import has_room, room

Targets = Mapping[str, np.ndarray]
"""Every field of a split but ``x``: ``y``, ``group``, ``length``, ..."""

MetricFunction = Callable[[np.ndarray, Targets], float]
"""``metric(outputs, targets)`` of ``metric.py``: the number of Table 2, in the paper's units.

Outputs are what ``TaskTraining.predict`` gave for every sample of a split, in its order, float32.
"""


def task_metric(name: str) -> MetricFunction:
    """The function that ``tasks/<name>/metric.py`` defines."""
    function: MetricFunction = room("tasks", name, "metric").metric
    return function


def further_scores(name: str, outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """Variants and counts of ``tasks/<name>/further_scores.py``; none where a task has no such file."""
    if not has_room("tasks", name, "further_scores"):
        return {}
    scores: dict[str, float] = room("tasks", name, "further_scores").further_scores(outputs, targets)
    return scores
