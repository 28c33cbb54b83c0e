"""How a task's metric follows from its test samples, to have it of samples drawn anew as well. No torch.

A sample is what the metric counts: an image, a record of many windows, a clip of many chunks. ``per_sample.py`` of a
task says how its metric is made of them; without that file the metric is computed anew for each draw: right as well,
but slow.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nasperf360.errors import DataError
from nasperf360.registry import has_room, room
from nasperf360.tasks.shared.metrics import MetricFunction, Targets, task_metric

Floats = NDArray[np.float64]

SignificanceTest = Literal["signs", "signed ranks", "bootstrap"]
"""Of two networks on the same samples: of the signs of differing samples (McNemar), Wilcoxon's, or of the metric on
drawn samples."""


class PerSample(ABC):
    """The predictions of one network, as far as its metric needs them."""

    test: ClassVar[SignificanceTest] = "bootstrap"

    @property
    @abstractmethod
    def samples(self) -> int:
        """How many there are."""

    @abstractmethod
    def values(self, counts: NDArray[np.int64]) -> Floats:
        """The metric in its units when each sample counts as often as it was drawn.

        Args:
            counts: (draws, samples).

        Returns:
            (draws,); NaN where the metric of such samples is undefined.
        """


@dataclass(frozen=True)
class Means(PerSample):
    """A metric that is the mean of an error of each sample.

    Args:
        errors: (samples,) in the metric's units.
    """

    errors: Floats

    test: ClassVar[SignificanceTest] = "signed ranks"

    @property
    def samples(self) -> int:
        return len(self.errors)

    def values(self, counts: NDArray[np.int64]) -> Floats:
        means: Floats = counts @ self.errors / counts.sum(axis=1)
        return means


class Mistakes(Means):
    """A mean of errors that are either 0 or 100 percent."""

    test = "signs"


@dataclass(frozen=True)
class Ratios(PerSample):
    """A metric in percent that is one sum over another; 0 where the other is.

    Args:
        parts: (samples,) what each adds to the one.
        wholes: (samples,) what each adds to the other.
    """

    parts: NDArray[np.int64]
    wholes: NDArray[np.int64]

    @property
    def samples(self) -> int:
        return len(self.parts)

    def values(self, counts: NDArray[np.int64]) -> Floats:
        ratios: Floats = 100 * (counts @ self.parts) / np.maximum(1, counts @ self.wholes)
        return ratios


class Redrawn(PerSample):
    """A metric that is only known as a function: it is computed anew for each draw.

    Samples of a ``group`` are drawn together, and each time as a group of its own.
    """

    def __init__(self, metric: MetricFunction, outputs: np.ndarray, targets: Targets):
        self.metric, self.outputs, self.targets = metric, outputs, targets
        group = targets.get("group", np.arange(len(outputs)))
        _, member, self.sizes = np.unique(group, return_inverse=True, return_counts=True)
        self.rows = np.split(np.argsort(member, kind="stable"), np.cumsum(self.sizes)[:-1])

    @property
    def samples(self) -> int:
        return len(self.sizes)

    def values(self, counts: NDArray[np.int64]) -> Floats:
        return np.array([self._value(np.repeat(np.arange(self.samples), row)) for row in counts])

    def _value(self, drawn: NDArray[np.int64]) -> float:
        rows = np.concatenate([self.rows[sample] for sample in drawn])
        targets = {field: values[rows] for field, values in self.targets.items()}
        if "group" in targets:
            targets["group"] = np.repeat(np.arange(len(drawn)), self.sizes[drawn])
        try:
            return float(self.metric(self.outputs[rows], targets))
        except DataError:
            return np.nan


def task_per_sample(name: str, outputs: np.ndarray, targets: Targets) -> PerSample:
    """What ``per_sample(outputs, targets)`` of ``tasks/<name>/per_sample.py`` gives; see ``metrics.py``."""
    if not has_room("tasks", name, "per_sample"):
        return Redrawn(task_metric(name), outputs, targets)
    found: PerSample = room("tasks", name, "per_sample").per_sample(outputs, targets)
    return found
