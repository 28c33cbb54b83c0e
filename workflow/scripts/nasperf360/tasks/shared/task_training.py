"""How networks learn a task: inputs, augmentation, loss, prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nasperf360.data.datasets import Split
from nasperf360.registry import room
from nasperf360.settings.declaration import Settings
from nasperf360.tasks.shared.task_spec import Signature, TaskSpec

Batch = dict[str, Tensor]
"""A batch of one split: ``x``, ``y`` and the task's further fields, samples first, on the training device."""


class TaskTraining(ABC):
    """One task. Instances hold what :meth:`fit` learned from the training rows, nothing else.

    One that learns something gives it as ``state_dict`` and takes it back by ``load_state_dict``, as
    ``epochs.Stateful`` says: it is saved with the weights of each trained network, which then needs no training data.

    ``tasks/<name>/training.py`` defines a subclass as ``TRAINING``.

    Args:
        switches: of the augmentation, as ``spec.switches`` declares them.
    """

    spec: ClassVar[TaskSpec]

    def __init__(self, switches: Settings | None = None):
        self.switches: Any = self.spec.switches() if switches is None else switches

    def fit(self, train: Split) -> None:  # noqa: B027 - most tasks learn nothing here
        """Learn normalisation from the training split; called before any of the methods below."""

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one network input, given the shape of a stored training sample ``x``."""
        return sample_shape

    def signature(self, sample_shape: tuple[int, ...]) -> Signature:
        """What a search space may know, given the shape of a stored training sample ``x``."""
        return self.spec.signature(self.input_shape(sample_shape))

    def inputs(self, batch: Batch) -> Tensor:
        """Network inputs (float32) of a batch: scaling and normalisation, no randomness."""
        return batch["x"].float()

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A randomly changed training batch, vectorised on its device; random numbers only from ``generator``.

        ``generator`` lives on the CPU, so that the draws do not depend on the device; :func:`sent` takes them there.
        A background thread calls this while the network learns from the batch before. By default nothing changes.
        """
        return batch

    @abstractmethod
    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Training loss of the network's output: a scalar, reduced as in the reference (mean, or sum for Darcy)."""

    def predicts(self, shape: tuple[int, ...], trained_on: tuple[int, ...]) -> bool:
        """Whether :meth:`predict` takes samples of this shape, given that of the training samples: by default the same.

        Networks often compute something of others too, such as of images that they were not made for.
        """
        return shape == trained_on

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Outputs of a model in evaluation mode for a batch of a validation or test split."""
        output: Tensor = model(self.inputs(batch))
        return output


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values of the CPU on a device, at once: from pinned memory a GPU copies without making anybody wait."""
    pinned = values.pin_memory() if device.type == "cuda" else values
    return pinned.to(device, non_blocking=True)


def task_training(name: str, switches: Mapping[str, Any] | None = None) -> TaskTraining:
    """How networks learn the task of that name, with its switches as a search or training sets them."""
    training: type[TaskTraining] = room("tasks", name, "training").TRAINING
    return training(training.spec.switches.model_validate(switches or {}))
