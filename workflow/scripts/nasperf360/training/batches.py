"""Batches of a split as tensors on a device: shuffled by a generator, from memory if the split fits, else from disk."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nasperf360.data.datasets import Split, group_starts
from nasperf360.errors import UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.tasks.shared.task_training import Batch, TaskTraining
from nasperf360.training.schedules import learning_rate
from nasperf360.training.settings import PredictionSettings, StepSettings

MEMORY_BYTES = 8 << 30  # a split up to this size is loaded once
WINDOW = 16  # batches that a split on disk reads, and shuffles, at a time


class Loader:
    """Draws batches from one split.

    Args:
        split: the samples.
        batch_size: samples per batch.
        device: where batches live.
        memory_bytes: a split up to this size is loaded once (onto the device); a larger one is read from disk.
        one_per_group: an epoch visits one random sample of each ``group`` instead of every sample.

    Raises:
        UserError: the split has fewer samples than a batch.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        device: torch.device,
        memory_bytes: int = MEMORY_BYTES,
        *,
        one_per_group: bool = False,
    ):
        self.split, self.batch_size, self.device = split, batch_size, device
        self.groups: tuple[np.ndarray, np.ndarray] | None = None  # where they start, and their sizes
        if one_per_group:
            starts = group_starts(split.load("group"))
            self.groups = starts, np.diff(np.r_[starts, len(split)])
        if len(self) < batch_size:
            raise UserError(
                f"a batch of {batch_size} is larger than the split '{split.name}' with {len(self)} samples; "
                f"choose a smaller batch_size"
            )
        self.memory: Batch | None = None
        if split.nbytes <= memory_bytes:
            self.memory = {field: torch.from_numpy(split.load(field)).to(device) for field in split.fields}

    def __len__(self) -> int:
        """Samples in an epoch."""
        return len(self.split) if self.groups is None else len(self.groups[0])

    @property
    def steps(self) -> int:
        """Batches in a shuffled epoch; a single sample left over is left out: batch statistics need two."""
        full, rest = divmod(len(self), self.batch_size)
        return full + (rest > 1)

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in the split's order."""
        yield from self._batches(np.arange(len(self.split)))

    def shuffled(self, rng: np.random.Generator) -> Iterator[Batch]:
        """An epoch in random order."""
        yield from self._batches(self._order(rng)[: self.steps * self.batch_size])

    def random(self, rng: np.random.Generator) -> Batch:
        """The first batch of a shuffled epoch."""
        return next(self._batches(self._order(rng)[: self.batch_size]))

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        indices = np.arange(len(self.split))
        if self.groups is not None:
            starts, sizes = self.groups
            indices = starts + rng.integers(sizes)
        if self.memory is not None:
            return rng.permutation(indices)
        # On disk: shuffle blocks of neighbours, then within a window of blocks, so that reads stay contiguous.
        blocks = np.array_split(indices, -(-len(indices) // self.batch_size))
        shuffled = [blocks[index] for index in rng.permutation(len(blocks))]
        windows = [np.concatenate(shuffled[start : start + WINDOW]) for start in range(0, len(shuffled), WINDOW)]
        return np.concatenate([rng.permutation(window) for window in windows])

    def _batches(self, order: np.ndarray) -> Iterator[Batch]:
        for start in range(0, len(order), self.batch_size * WINDOW):
            window = order[start : start + self.batch_size * WINDOW]
            source, rows = self._window(window)
            for begin in range(0, len(rows), self.batch_size):
                batch = rows[begin : begin + self.batch_size]
                yield {
                    field: values.index_select(0, batch).to(self.device, non_blocking=True)
                    for field, values in source.items()
                }

    def _window(self, indices: np.ndarray) -> tuple[Batch, Tensor]:
        if self.memory is not None:
            return self.memory, torch.from_numpy(indices).to(self.device)
        fields = {field: torch.from_numpy(self.split.read(field, indices)) for field in self.split.fields}
        return fields, torch.arange(len(indices))


def training_loader(task: TaskTraining, split: Split, batch_size: int, device: torch.device) -> Loader:
    """A split to train on, of which an epoch visits what the task says."""
    return Loader(split, batch_size, device, one_per_group=task.spec.one_per_group)


def prediction_loader(split: Split, settings: PredictionSettings, device: torch.device) -> Loader:
    """A split for :func:`fitting.predict`, in batches of ``test_batch_size``, by default ``batch_size``."""
    return Loader(split, min(settings.test_batch_size or settings.batch_size, len(split)), device)


def training_batches(task: TaskTraining, loader: Loader, seed: int, epoch: int) -> Iterator[Batch]:
    """The augmented batches of one epoch: order and augmentation depend on (seed, epoch) alone."""
    augmentation = torch.Generator().manual_seed(derive_seed(seed, "augment", epoch))
    for batch in loader.shuffled(generator(seed, "order", epoch)):
        yield task.augment(batch, augmentation)


def scheduled_batches(
    task: TaskTraining, loader: Loader, settings: StepSettings, seed: int, epoch: int
) -> Iterator[tuple[Batch, float]]:
    """The same, each with its learning rate."""
    for step, batch in enumerate(training_batches(task, loader, seed, epoch)):
        yield batch, learning_rate(settings, epoch, step, loader.steps)
