"""Batches of a split as tensors on a device, from memory as far as the job's data may fill it, else from disk."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from nasperf360.data.datasets import Split, group_runs
from nasperf360.errors import UserError
from nasperf360.interruption import held_back
from nasperf360.seeds import derive_seed, generator
from nasperf360.tasks.shared.task_training import Batch, TaskTraining, sent
from nasperf360.training.schedules import learning_rate
from nasperf360.training.settings import PredictionSettings, StepSettings

Item = TypeVar("Item")


class Loader:
    """Draws batches from one split; where its samples are changes neither their order nor a bit of them.

    Args:
        split: the samples.
        batch_size: samples per batch.
        device: where batches live.
        one_per_group: an epoch visits one random sample of each ``group`` instead of every sample.

    Raises:
        UserError: the split has fewer samples than a batch.
    """

    def __init__(self, split: Split, batch_size: int, device: torch.device, *, one_per_group: bool = False):
        self.split, self.batch_size, self.device = split, batch_size, device
        self.groups: tuple[np.ndarray, np.ndarray] | None = None  # where they start, and their sizes
        if one_per_group:
            self.groups = group_runs(split.load("group"))
        if len(self) < batch_size:
            raise UserError(
                f"a batch of {batch_size} is larger than the split '{split.name}' with {len(self)} samples; "
                f"choose a smaller batch_size"
            )
        self.held = hold(split, device)

    def __len__(self) -> int:
        """Samples in an epoch."""
        return len(self.split) if self.groups is None else len(self.groups[0])

    @property
    def steps(self) -> int:
        """Batches in a shuffled epoch; a single sample left over is left out: batch statistics need two."""
        full, rest = divmod(len(self), self.batch_size)
        return full + (rest > 1)

    @property
    def on_disk(self) -> list[str]:
        """Fields that each batch reads anew."""
        return [field for field in self.split.fields if field not in self.held]

    def ahead(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same items, each made ahead if that spares somebody a wait: for the disk, or a GPU's for the CPU.

        Without either, a thread would only take turns with the network, on the same cores.
        """
        return ahead(items) if self.on_disk or self.device.type == "cuda" else items

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in the split's order."""
        yield from self._batches(np.arange(len(self.split)))

    def shuffled(self, rng: np.random.Generator, start: int = 0) -> Iterator[Batch]:
        """An epoch in random order, each as likely as any other: a file may be sorted; from batch ``start`` on."""
        if start < self.steps:
            yield from self._batches(self._order(rng)[start * self.batch_size : self.steps * self.batch_size])

    def random(self, rng: np.random.Generator) -> Batch:
        """The first batch of a shuffled epoch."""
        return next(self._batches(self._order(rng)[: self.batch_size]))

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        indices = np.arange(len(self.split))
        if self.groups is not None:
            starts, sizes = self.groups
            indices = starts + rng.integers(sizes)
        return rng.permutation(indices)

    def _batches(self, order: np.ndarray) -> Iterator[Batch]:
        on_disk = self.on_disk
        rows = torch.from_numpy(order)
        parts = (each.split(self.batch_size) for each in (rows, sent(rows, self.device)))
        for part in zip(*parts, strict=True):
            yield self._batch(on_disk, *part)

    def _batch(self, on_disk: list[str], rows: Tensor, on_device: Tensor) -> Batch:
        batch = {field: values.index_select(0, on_device) for field, values in self.held.items()}
        for field in on_disk:
            batch[field] = sent(torch.from_numpy(self.split.read(field, rows.numpy())), self.device)
        return batch


def hold(split: Split, device: torch.device) -> Batch:
    """Fields of a split on a device: as many as fit into the memory of the job's data, the smallest first.

    The split keeps them, for all its loaders, as long as anything uses it.
    """
    for field in sorted(split.fields, key=split.field_bytes):
        if field not in split.held and split.memory.take(split.field_bytes(field), split):
            with torch.inference_mode(mode=False):  # who predicts may be the first to load what others train on
                split.held[field] = torch.from_numpy(split.load(field)).to(device)
    return split.held


def ahead(batches: Iterator[Item]) -> Iterator[Item]:
    """The same batches, each made by a background thread while the one before is used: two are in memory.

    What making one raises is raised here. When it ends or is closed the thread has ended too. A signal waits for the
    batch under way: the locks that both threads take are Python's, and one that raises between would leave them locked.
    """
    with ThreadPoolExecutor(1, "data") as thread:
        with held_back():
            coming = thread.submit(next, batches, None)
        while True:
            with held_back():
                batch = coming.result()
                if batch is not None:
                    coming = thread.submit(next, batches, None)
            if batch is None:
                return
            yield batch


def training_loader(task: TaskTraining, split: Split, batch_size: int, device: torch.device) -> Loader:
    """A split to train on, of which an epoch visits what the task says."""
    return Loader(split, batch_size, device, one_per_group=task.spec.one_per_group)


def prediction_loader(split: Split, settings: PredictionSettings, device: torch.device) -> Loader:
    """A split for :func:`fitting.predict`, in batches of ``test_batch_size``, by default ``batch_size``."""
    return Loader(split, min(settings.test_batch_size or settings.batch_size, len(split)), device)


class AugmentedBatches(ABC):
    """Augmented batches in an order that is fixed beforehand; a checkpoint holds the place.

    A stream that goes on from there gives the batches that follow. Each is made ahead, augmented and all, where that
    spares a wait.

    Args:
        task: augments.
        loader: of the training samples.
        augmentation: seed of the augmentation.
    """

    def __init__(self, task: TaskTraining, loader: Loader, augmentation: int):
        self.task, self.loader, self.taken = task, loader, 0
        # State of the generator after the taken ones: it has gone on where another batch is made ahead.
        self.augmentation = torch.Generator().manual_seed(augmentation).get_state()
        self._coming: Iterator[tuple[Batch, Tensor]] | None = None

    @abstractmethod
    def coming(self) -> Iterator[Batch]:
        """The batches that follow the ``taken`` ones, not augmented.

        They hold nothing of this object: it would be in a circle with the thread that ends when it is dropped.
        """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._coming is None:
            self._coming = self.loader.ahead(_augmented(self.task, self.coming(), self.augmentation))
        batch, self.augmentation = next(self._coming)
        self.taken += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The place."""
        return {"taken": self.taken, "augmentation": self.augmentation}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place."""
        self.taken, self.augmentation, self._coming = state["taken"], state["augmentation"], None


def _augmented(task: TaskTraining, batches: Iterator[Batch], state: Tensor) -> Iterator[tuple[Batch, Tensor]]:
    """Augmented batches by a generator that is in that state, and the state it is in after each."""
    generator = torch.Generator()
    generator.set_state(state)
    for batch in batches:
        yield task.augment(batch, generator), generator.get_state()


class TrainingBatches(AugmentedBatches):
    """Those of one epoch: order and augmentation depend on (seed, epoch) alone."""

    def __init__(self, task: TaskTraining, loader: Loader, seed: int, epoch: int):
        super().__init__(task, loader, derive_seed(seed, "augment", epoch))
        self.seed, self.epoch = seed, epoch

    def coming(self) -> Iterator[Batch]:
        """The rest of the epoch."""
        return self.loader.shuffled(generator(self.seed, "order", self.epoch), self.taken)


class ScheduledBatches:
    """The same, each with its learning rate."""

    def __init__(self, task: TaskTraining, loader: Loader, settings: StepSettings, seed: int, epoch: int):
        self.batches, self.settings = TrainingBatches(task, loader, seed, epoch), settings

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Batch, float]:
        batch = next(self.batches)
        return batch, self.rate

    @property
    def rate(self) -> float:
        """Of the batch that was given last."""
        batches = self.batches
        return learning_rate(self.settings, batches.epoch, batches.taken - 1, batches.loader.steps)

    def state_dict(self) -> dict[str, Any]:
        """The place."""
        return self.batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place."""
        self.batches.load_state_dict(state)
