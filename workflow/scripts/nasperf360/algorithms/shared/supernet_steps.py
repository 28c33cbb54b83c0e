"""What searches on a supernet share: their two splits, batches without end, architecture gradients."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.amp import GradScaler

from nasperf360.data.datasets import Split, group_runs
from nasperf360.errors import UserError
from nasperf360.seeds import derive_seed, generator
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.tasks.shared.task_training import Batch, TaskTraining
from nasperf360.training.batches import Loader, TrainingBatches


def random_subset(task: TaskTraining, train: Split, count: int | None, seed: int) -> Split:
    """So many samples of a training split, drawn at random: a file may be sorted. All if None or if it has no more.

    Where an epoch visits one sample of each group, whole groups are drawn and counted.
    """
    units = _units(task, train)
    total = int(units[-1]) + 1
    if count is None or count >= total:
        return train
    drawn = generator(seed, "subset").permutation(total)[:count]
    return train.subset(np.flatnonzero(np.isin(units, drawn)), f"{count} samples")


def weight_and_architecture_splits(
    task: TaskTraining, train: Split, parts: int, whole: int, seed: int
) -> tuple[Split, Split]:
    """A training split cut in two at random: ``parts`` of ``whole`` equal parts for weights, the rest for the
    architecture.

    Where an epoch visits one sample of each group, groups are counted, and none is torn.

    Raises:
        UserError: too few samples or groups.
    """
    units = _units(task, train)
    total = int(units[-1]) + 1
    first = total * parts // whole
    if not 0 < first < total:
        raise UserError(
            f"the split '{train.name}' with {len(train)} samples is too small to be cut in two; give it more samples"
        )
    for_weights = np.isin(units, generator(seed, "weight split").permutation(total)[:first])
    return (
        train.subset(np.flatnonzero(for_weights), "weight split"),
        train.subset(np.flatnonzero(~for_weights), "architecture split"),
    )


def _units(task: TaskTraining, train: Split) -> np.ndarray:
    """For each sample, ascending, the number of what an epoch visits once: the sample, or its group."""
    if not task.spec.one_per_group:
        return np.arange(len(train))
    sizes = group_runs(train.load("group"))[1]
    return np.repeat(np.arange(len(sizes)), sizes)


class ArchitectureBatches:
    """Batches for the architecture steps of an epoch, without end: the epochs of two splits may differ in length.

    A checkpoint holds the place.
    """

    def __init__(self, task: TaskTraining, loader: Loader, seed: int, epoch: int):
        self.task, self.loader, self.seed, self.epoch = task, loader, seed, epoch
        self._begin(0)

    def _begin(self, turn: int) -> None:
        self.turn = turn
        seed = derive_seed(self.seed, "architecture", turn)
        self.batches = TrainingBatches(self.task, self.loader, seed, self.epoch)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        while True:
            try:
                return next(self.batches)
            except StopIteration:
                self._begin(self.turn + 1)

    def state_dict(self) -> dict[str, Any]:
        """The place."""
        return {"turn": self.turn, "batches": self.batches.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a place."""
        self._begin(state["turn"])
        self.batches.load_state_dict(state["batches"])


class RandomBatches:
    """The same, each the first of a fresh shuffle: a step knows nothing of the samples that others took."""

    def __init__(self, task: TaskTraining, loader: Loader, seed: int, epoch: int):
        self.task, self.loader, self.seed, self.epoch = task, loader, seed, epoch
        self.taken = 0
        self._coming: Iterator[Batch] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._coming is None:
            coming = _random_batches(self.task, self.loader, self.seed, self.epoch, self.taken)
            self._coming = self.loader.ahead(coming)
        batch = next(self._coming)
        self.taken += 1
        return batch

    def state_dict(self) -> int:
        """The place."""
        return self.taken

    def load_state_dict(self, state: int) -> None:
        """Go on from a place."""
        self.taken, self._coming = state, None


def _random_batches(task: TaskTraining, loader: Loader, seed: int, epoch: int, start: int) -> Iterator[Batch]:
    """Without end, from number ``start`` of an epoch on; draws depend on (seed, epoch, number) alone."""
    for number in itertools.count(start):
        augmentation = torch.Generator().manual_seed(derive_seed(seed, "architecture augment", epoch, number))
        yield task.augment(loader.random(generator(seed, "architecture order", epoch, number)), augmentation)


def architecture_gradients(
    supernet: Supernet, loss: Callable[[], Tensor], scaler: GradScaler
) -> tuple[Tensor, dict[str, Tensor] | None]:
    """A loss, and its gradients with respect to the architecture parameters; weights get none.

    Args:
        supernet: gives the parameters.
        loss: computes the loss.
        scaler: of the weights. It lifts the gradients inside the network above the smallest float16 number; the
            result is free of its scale. Where the scaled gradients overflow, the scale is lowered and None returned:
            that step is to be left out, as the scaler leaves out a step of the weights.
    """
    parameters, value = supernet.architecture_parameters(), loss()
    scaled = torch.autograd.grad(scaler.scale(value), list(parameters.values()), allow_unused=True)
    scale = scaler.get_scale()
    gradients = {
        name: torch.zeros_like(parameter) if gradient is None else gradient / scale
        for (name, parameter), gradient in zip(parameters.items(), scaled, strict=True)
    }
    # Only where scaled: to look at them makes a GPU wait, and without a scale a bad gradient is a bad loss.
    if scaler.is_enabled() and not all(bool(gradient.isfinite().all()) for gradient in gradients.values()):
        scaler.update(scale * scaler.get_backoff_factor())
        return value.detach(), None
    return value.detach(), gradients
