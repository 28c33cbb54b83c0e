"""What a task is: raw files to samples, samples to network inputs, a loss, and a metric.

Task modules import torch inside the methods that train: preprocessing and the workflow itself read them too, and a
process that needs no torch should not wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nasperf360.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from nasperf360.data.datasets import DatasetWriter, Split
    from nasperf360.data.raw import RawFiles

    Batch = dict[str, Tensor]
    """A batch of one split: ``x``, ``y`` and the task's further fields, samples first, on the training device."""


@dataclass(frozen=True)
class Metric:
    """The number of the paper's Table 2, in its units."""

    name: str  # as in config/reference.csv: "0-1 error %", "relative l2", "MAE8", "FNR %", "mAP", "F1", "AUROC"
    higher_is_better: bool


@dataclass(frozen=True)
class Signature:
    """All that a search space may know of a task."""

    dimensions: Literal[1, 2]
    dense: bool
    input_shape: tuple[int, ...]  # (channels, length) or (channels, height, width), after Task.inputs
    outputs: int  # classes, labels, or channels per pixel


class Task(ABC):
    """One task of the benchmark. Instances hold what :meth:`fit` learned from the training rows, nothing else."""

    name: ClassVar[str]
    title: ClassVar[str]  # as in the paper's Table 1
    objective: ClassVar[str]  # as in Table 1, corrected where the paper errs
    published_size: ClassVar[str]  # samples at full size
    dimensions: ClassVar[Literal[1, 2]]
    kind: ClassVar[Literal["point", "dense"]]
    multi_label: ClassVar[bool] = False
    outputs: ClassVar[int]  # classes, labels, or channels per pixel
    metric: ClassVar[Metric]
    raw: ClassVar[str]  # the task whose raw files it reads: itself, but cifar100 for spherical
    merge_valid: ClassVar[bool] = True  # the final number trains on train + valid
    one_per_group: ClassVar[bool] = False  # an epoch visits one random sample of each group (FSD50K: chunk of a clip)

    # -- preprocessing: numpy only -------------------------------------------------------------------------------

    @abstractmethod
    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """Stream the raw files into the splits of ``writer``, in bounded memory.

        Args:
            raw: the raw files, by role.
            writer: open data set; see :meth:`DatasetWriter.split` and :meth:`SplitWriter.append`.
            options: the ``prepare.<task>`` settings.

        Raises:
            DataError: a raw file that is truncated or lacks what it should hold; names the file and the fault.
        """

    # -- training and evaluation: torch --------------------------------------------------------------------------

    def configure(self, switches: Mapping[str, Any]) -> None:
        """Set switches of the augmentation, such as ``cutout``, from the ``task`` settings of a search or training.

        Raises:
            UserError: the task has no such switch, or it is neither on nor off.
        """
        for name, value in switches.items():
            if not hasattr(type(self), name):
                raise UserError(f"settings of {self.name}: task has no switch '{name}'; remove it")
            if isinstance(getattr(type(self), name), bool) and not isinstance(value, bool):
                raise UserError(f"settings of {self.name}: switch '{name}' {value!r}; give true or false")
            setattr(self, name, value)

    def fit(self, train: Split) -> None:  # noqa: B027 - most tasks learn nothing here
        """Learn normalisation from the training split; called before any of the methods below."""

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one network input, given the shape of a stored training sample ``x``."""
        return sample_shape

    def signature(self, sample_shape: tuple[int, ...]) -> Signature:
        """What a search space may know, given the shape of a stored training sample ``x``."""
        return Signature(self.dimensions, self.kind == "dense", self.input_shape(sample_shape), self.outputs)

    def inputs(self, batch: Batch) -> Tensor:
        """Network inputs (float32) of a batch: scaling and normalisation, no randomness."""
        return batch["x"].float()

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A randomly changed training batch, vectorised on its device; random numbers only from ``generator``.

        ``generator`` lives on the CPU, so that the draws do not depend on the device. By default nothing changes.
        """
        return batch

    @abstractmethod
    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Training loss of the network's output: a scalar, reduced as in the reference (mean, or sum for Darcy)."""

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Outputs of a model in evaluation mode for a batch of a validation or test split."""
        output: Tensor = model(self.inputs(batch))
        return output

    @abstractmethod
    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Metrics of a whole split.

        Args:
            outputs: what :meth:`predict` gave for every sample, in the split's order, float32.
            extras: every field of the split but ``x``: ``y``, ``group``, ...

        Returns:
            ``value``: the metric of Table 2 in the paper's units; further keys: variants and counts worth reporting.
        """
