"""The batches that ENAS trains its shared weights on, as the reference takes them."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import torch

from nasperf360.seeds import derive_seed, generator
from nasperf360.tasks.shared.task_training import Batch, TaskTraining
from nasperf360.training.batches import Loader


class RepeatedBatches:
    """Augmented full batches of one permutation of the training samples, over and over; a checkpoint holds the place.

    Args:
        task: augments.
        loader: of the training samples.
        seed: of the search.
        name: of this permutation and its augmentation.
        steps: how many batches.
    """

    def __init__(self, task: TaskTraining, loader: Loader, seed: int, name: tuple[str, int], steps: int):
        self.task, self.loader, self.steps = task, loader, steps
        self.order = seed, "order", *name
        self.augmentation = torch.Generator().manual_seed(derive_seed(seed, "augment", *name))
        self.taken = 0
        self._coming: Iterator[Batch] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.taken == self.steps:
            raise StopIteration
        place = self.taken % (len(self.loader) // self.loader.batch_size)
        if place == 0 or self._coming is None:
            self._coming = self.loader.shuffled(generator(*self.order), place)
        batch = next(self._coming)
        self.taken += 1
        return self.task.augment(batch, self.augmentation)

    def state_dict(self) -> dict[str, Any]:
        """The place."""
        return {"taken": self.taken, "augmentation": self.augmentation.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place."""
        self.taken, self._coming = state["taken"], None
        self.augmentation.set_state(state["augmentation"])
