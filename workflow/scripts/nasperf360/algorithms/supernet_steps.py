"""What searches on a supernet share: a cut of the training data, batches without end, architecture gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasperf360.errors import UserError
from nasperf360.seeds import derive_seed

if TYPE_CHECKING:
    from torch import Tensor
    from torch.amp import GradScaler

    from nasperf360.data.datasets import Split
    from nasperf360.networks.supernet import Supernet
    from nasperf360.tasks.base import Task
    from nasperf360.training.batches import Batch, Loader


def cut(task: Task, train: Split, parts: int, whole: int) -> tuple[Split, Split]:
    """The first ``parts`` of ``whole`` equal parts of a training split, and the rest.

    Where an epoch visits one sample of each group, groups are counted, and none is cut.

    Raises:
        UserError: too few samples or groups to cut.
    """
    middle = len(train) * parts // whole
    if task.one_per_group:
        groups = train.load("group")
        starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        middle = int(starts[len(starts) * parts // whole])
    if not 0 < middle < len(train):
        raise UserError(
            f"the split '{train.name}' with {len(train)} samples is too small to be cut in two; give it more samples"
        )
    return train.part(0, middle), train.part(middle, len(train))


def check_warmup(where: str, key: str, settings: Mapping[str, Any]) -> None:
    """Refuse a search that ends before its first architecture step.

    Raises:
        UserError: names ``key``, the setting that counts the epochs before it.
    """
    before, epochs = settings.get(key, 0), settings["epochs"]
    if before >= epochs:
        raise UserError(
            f"{where}: {key} {before} of {epochs} epochs leaves no architecture step; lower {key} or raise epochs"
        )


def architecture_batches(task: Task, loader: Loader, seed: int, epoch: int) -> Iterator[Batch]:
    """Batches for the architecture steps of an epoch, without end: the epochs of two parts may differ in length."""
    from nasperf360.training.fitting import training_batches

    turn = 0
    while True:
        yield from training_batches(task, loader, derive_seed(seed, "architecture", turn), epoch)
        turn += 1


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
    import torch

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
