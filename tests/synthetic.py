"""A small task with a planted signal, for tests of networks and of search: no raw files, data in a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.task_spec import Metric, Signature, TaskSpec
from nasperf360.tasks.shared.task_training import TaskTraining

CLASSES = 2
SAMPLES = {"train": 128, "valid": 32, "test": 64}


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """0-1 error in percent."""
    return 100 * float((outputs.argmax(1) != targets["y"]).mean())


class SyntheticTask(TaskTraining):
    """Two classes: whether a sample, or for dense tasks a pixel, lies under a bump of random place and sign.

    Point: class 1 holds a bump with a sharp ring, class 0 one without; neither place nor sign tells them apart, so a
    linear model is blind. Dense: each pixel says whether the bump covers it.

    Each instance has a spec of its own, which :meth:`change` changes.
    """

    name, classes = "synthetic", CLASSES

    def __init__(self, dimensions: int = 2, kind: str = "point", **changes: Any):
        self.spec = TaskSpec(  # type: ignore[misc]
            name=self.name,
            dimensions=dimensions,  # type: ignore[arg-type]
            kind=kind,  # type: ignore[arg-type]
            outputs=self.classes,
            metric=Metric("0-1 error %", higher_is_better=False),
            raw=self.name,
            **changes,
        )
        super().__init__()

    def change(self, **changes: Any) -> None:
        """Change fields of the spec."""
        self.spec = replace(self.spec, **changes)  # type: ignore[misc]

    def loss(self, output: Any, batch: Any) -> Any:
        return cross_entropy(output, batch["y"])


@dataclass
class Synthetic:
    """A task and its open data set, ready for a Problem, whose metric is :func:`metric`."""

    task: SyntheticTask
    dataset: Dataset

    @property
    def signature(self) -> Signature:
        return self.task.signature(self.dataset.split("train").shape("x"))


def draw(rng: np.random.Generator, count: int, shape: tuple[int, ...], dense: bool) -> tuple[np.ndarray, np.ndarray]:
    """Samples (count, *shape) float32 and their labels: (count,) or (count, *shape[1:]) int64."""
    axes = np.meshgrid(*(np.arange(size) for size in shape[1:]), indexing="ij")
    centres = [rng.uniform(size * 0.25, size * 0.75, count) for size in shape[1:]]
    wide = (-1,) + (1,) * len(axes)
    distance = np.sqrt(sum((axis - centre.reshape(wide)) ** 2 for axis, centre in zip(axes, centres, strict=True)))
    sign = rng.choice([-1.0, 1.0], count).reshape(wide)
    labels = rng.integers(CLASSES, size=count)
    radius = max(2.0, min(shape[1:]) / 5)
    bump = np.exp(-0.5 * (distance / radius) ** 2)
    ring = labels.reshape(wide) * np.cos(np.pi * distance)
    signal = sign * bump * (1 + (0 if dense else ring))
    x = signal[:, None] + 0.1 * rng.standard_normal((count, *shape))
    y = (distance < radius).astype(np.int64) if dense else labels
    return x.astype(np.float32), y


def write(
    folder: Path,
    dimensions: int = 2,
    kind: str = "point",
    shape: tuple[int, ...] | None = None,
    samples: Mapping[str, int] = SAMPLES,
    seed: int = 0,
) -> Synthetic:
    """Write the data set below ``folder`` and open it.

    Args:
        folder: e.g. ``tmp_path``.
        dimensions: 1 or 2.
        kind: point or dense.
        shape: of one sample, channels first; (3, 16, 16) or (3, 32) by default.
        samples: per split.
        seed: of the data.
    """
    shape = shape or ((3, 16, 16) if dimensions == 2 else (3, 32))
    rng = np.random.default_rng(seed)
    arrays = {name: draw(rng, count, shape, kind == "dense") for name, count in samples.items()}
    return from_arrays(folder, arrays, SyntheticTask(dimensions, kind))


def write_grouped(folder: Path, sizes: Sequence[int], dimensions: int = 2) -> Synthetic:
    """Training samples in groups of those sizes, of which an epoch visits one each; small other splits."""
    task = SyntheticTask(dimensions, one_per_group=True)
    shape, rng = (3, 16, 16)[: dimensions + 1], np.random.default_rng(0)
    counts = {"train": sum(sizes), "valid": 4, "test": 4}
    groups = {name: np.arange(count) for name, count in counts.items()} | {"train": np.repeat(range(len(sizes)), sizes)}
    with DatasetWriter(folder / "grouped.h5", task="grouped", origin="simulated", licence="none") as writer:
        for name, count in counts.items():
            x, y = draw(rng, count, shape, dense=False)
            split = writer.split(name, x=(shape, "float32"), y=((), "int64"), group=((), "int64"), classes=CLASSES)
            split.append(x=x, y=y, group=groups[name])
    return Synthetic(task, Dataset(folder / "grouped.h5"))


def from_arrays(folder: Path, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]], task: SyntheticTask) -> Synthetic:
    """A data set of given (x, y) per split, for structure planted by the test itself."""
    path = folder / f"{task.name}-{task.spec.dimensions}-{task.spec.kind}.h5"
    with DatasetWriter(path, task=task.name, origin="simulated", licence="none") as writer:
        for name, (x, y) in arrays.items():
            split = writer.split(name, x=(x.shape[1:], str(x.dtype)), y=(y.shape[1:], "int64"), classes=CLASSES)
            split.append(x=x, y=y)
    return Synthetic(task, Dataset(path))
