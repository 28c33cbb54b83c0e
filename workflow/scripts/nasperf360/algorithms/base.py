"""What a search algorithm is. It sees only the space's interface, so that any pair is one line of config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import torch

    from nasperf360.data.datasets import Dataset
    from nasperf360.tasks.base import Task
    from nasperf360.training.checkpoints import Checkpoint


@dataclass(frozen=True)
class Problem:
    """One search: a task, its data, a budget, a seed.

    Args:
        task: not yet fitted; algorithms fit it to the rows that they train weights on.
        dataset: the processed data; ``dataset.tuning()`` gives train and validation.
        settings: the ``search`` settings of this task and method: epochs, learning rates, trials, ...
        retrain_settings: how a found architecture will be trained; what trials of ``random`` and ``asha`` train by.
        seed: derived for (task, method, seed, "search").
        device: where to train.
        checkpoint: saves and resumes.
        size_limit: parameters that no returned architecture may exceed, or None: always for an algorithm without
            ``keeps_size_limit``.
        label: for progress and errors.
    """

    task: Task
    dataset: Dataset
    settings: Mapping[str, Any]
    retrain_settings: Mapping[str, Any]
    seed: int
    device: torch.device
    checkpoint: Checkpoint
    size_limit: int | None = None
    label: str = ""


@dataclass(frozen=True)
class SearchResult:
    """The architecture found and the history of the search, one row per epoch or trial."""

    architecture: Architecture
    history: list[dict[str, float]] = field(default_factory=list)


class SearchAlgorithm(ABC):
    """One search algorithm."""

    name: ClassVar[str]
    trains: ClassVar[bool] = True  # False: needs no data and no GPU (``default``)
    trains_candidates: ClassVar[bool] = False  # its trials train as retraining does, and so depend on those settings
    keeps_size_limit: ClassVar[bool] = False  # returns nothing larger than the problem's limit; others are given none
    setting_names: ClassVar[SettingNames | None] = None  # those it knows, so that others are refused; None: unchecked

    def refuse(self, space: type[SearchSpace]) -> str | None:
        """Why this algorithm cannot serve a space, in a few words; None where it can."""
        return None

    def check_settings(self, settings: Mapping[str, Any], space: SearchSpace) -> None:  # noqa: B027 - many refuse none
        """Refuse settings that do not go together, or not with the space, when the workflow starts.

        Args:
            settings: of the search; each by itself is of its kind.
            space: with its settings; ``signature.input_shape`` is ``()``.

        Raises:
            UserError: names the settings.
        """

    @abstractmethod
    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        """Search the space; resumes from ``problem.checkpoint``."""
