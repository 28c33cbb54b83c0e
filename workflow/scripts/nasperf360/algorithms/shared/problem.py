"""What a search is given and returns. An algorithm sees only the space's interface: any pair is one line of config."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nasperf360.data.datasets import Dataset
from nasperf360.registry import room
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.tasks.shared.metrics import MetricFunction, Targets
from nasperf360.tasks.shared.task_training import TaskTraining
from nasperf360.training.checkpoints import Checkpoint


@dataclass(frozen=True)
class Problem:
    """One search: a task, its data, a budget, a seed.

    Args:
        task: not yet fitted; algorithms fit it to the rows that they train weights on.
        dataset: the processed data; ``dataset.tuning()`` gives train and validation.
        settings: of the algorithm, as its spec declares them.
        trial_training: how a found architecture will be trained, with the search's own overrides, as a
            ``TrainingSettings`` takes it; empty unless the spec says ``trains_trials``.
        metric: of the task; None unless the spec ranks by it.
        seed: derived for (task, method, seed, "search").
        device: where to train.
        checkpoint: saves and resumes.
        size_limit: parameters that no returned architecture may exceed, or None.
        label: for progress and errors.
        worker: its number among the jobs that share the search; 0: nobody else works on it now.
    """

    task: TaskTraining
    dataset: Dataset
    settings: Any
    trial_training: Mapping[str, Any]
    metric: MetricFunction | None
    seed: int
    device: torch.device
    checkpoint: Checkpoint
    size_limit: int | None = None
    label: str = ""
    worker: int = 0

    def measure(self, outputs: np.ndarray, targets: Targets) -> float:
        """The task's metric of outputs for a split.

        Raises:
            ValueError: the algorithm's spec does not say that it ranks by the metric.
        """
        if self.metric is None:
            raise ValueError("this search was given no metric; set ranks_by_metric in the algorithm's spec")
        return float(self.metric(outputs, targets))


@dataclass(frozen=True)
class SearchResult:
    """The architecture found and the history of the search, one row per epoch or trial.

    A history that is a ``training.loop.History`` also has the seconds of each row, which go to ``cost.json``.
    """

    architecture: Architecture
    history: list[dict[str, Any]] = field(default_factory=list)


Search = Callable[[Any, Problem], SearchResult]
"""``search(space, problem)`` of ``algorithms/<name>/search.py``; it resumes from ``problem.checkpoint``."""


def run_search(name: str, space: SearchSpace, problem: Problem) -> SearchResult:
    """Search a space by the algorithm of that name."""
    search: Search = room("algorithms", name, "search").search
    return search(space, problem)


def run_share(name: str, space: SearchSpace, problem: Problem) -> None:
    """Work on a search as one of the jobs that share it, until there is nothing left to begin.

    Of an algorithm whose settings have ``workers``: its ``search.py`` has such a function ``share``.
    """
    share: Callable[[Any, Problem], None] = room("algorithms", name, "search").share
    share(space, problem)
