"""Made-up samples of each task, shaped as its preprocessing stores them at paper scale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import Dataset, DatasetWriter

Rng = np.random.Generator
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shapes:
    """Inputs and outputs of the networks, and what a split stores; ``draw(rng, count)`` gives its fields."""

    inputs: tuple[int, ...]
    outputs: int
    draw: Callable[[Rng, int], Arrays]


def _image(*shape: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: rng.integers(256, size=(count, *shape), dtype=np.uint8)


def _real(*shape: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: rng.standard_normal((count, *shape), dtype=np.float32)


def _steps(*shape: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: (4096 * rng.standard_normal((count, *shape), dtype=np.float32)).astype(np.int16)


def _bits(*shape: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: rng.integers(2, size=(count, *shape), dtype=np.uint8)


def _class(classes: int) -> Callable[[Rng, int], np.ndarray]:
    # In turn, so that a reward that ranks samples of one class above others finds at least two.
    return lambda rng, count: (rng.integers(classes) + np.arange(count)) % classes


def _labels(count_of_labels: int) -> Callable[[Rng, int], np.ndarray]:
    # Each label differs between neighbours, for the same reason.
    return lambda rng, count: ((rng.integers(2, size=count_of_labels) + np.arange(count)[:, None]) % 2).astype(np.uint8)


def _group(dtype: str) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: np.arange(count, dtype=dtype)


def _one_hot(length: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: np.moveaxis(np.eye(4, dtype=np.uint8)[rng.integers(4, size=(count, length))], 2, 1)


def _distances(size: int) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, count: rng.uniform(4, 16, (count, 1, size, size)).astype(np.float32)


def _fields(**fields: Callable[[Rng, int], np.ndarray]) -> Callable[[Rng, int], Arrays]:
    return lambda rng, count: {name: draw(rng, count) for name, draw in fields.items()}


# Shapes of facts on the tasks: the paper's data, and crops, windows and chunks of the reference code.
SHAPES = {
    "cifar100": Shapes((3, 32, 32), 100, _fields(x=_image(3, 32, 32), y=_class(100))),
    "spherical": Shapes((3, 60, 60), 100, _fields(x=_image(3, 60, 60), y=_class(100))),
    "ninapro": Shapes((1, 16, 52), 18, _fields(x=_real(1, 16, 52), y=_class(18))),
    "fsd50k": Shapes((1, 96, 101), 200, _fields(x=_steps(1, 96, 101), y=_labels(200), group=_group("int32"))),
    "darcy": Shapes((3, 85, 85), 1, _fields(x=_real(1, 85, 85), y=_real(1, 85, 85))),
    "psicov": Shapes((57, 128, 128), 1, _fields(x=_real(57, 128, 128), y=_distances(128))),
    "cosmic": Shapes(
        (1, 128, 128),
        1,
        _fields(x=_real(1, 128, 128), y=_bits(1, 128, 128), ignore=_bits(1, 128, 128), sky=_real()),
    ),
    "ecg": Shapes((1, 1000), 4, _fields(x=_real(1, 1000), y=_class(4), group=_group("int64"))),
    "satellite": Shapes((1, 46), 24, _fields(x=_real(1, 46), y=_class(24))),
    "deepsea": Shapes((4, 1000), 36, _fields(x=_one_hot(1000), y=_labels(36))),
}


def write(path: Path, task: str, samples: Mapping[str, int]) -> Dataset:
    """A data set of so many samples per split."""
    rng = np.random.default_rng(0)
    with DatasetWriter(path, task=task, origin="simulated", licence="none") as writer:
        for name, count in samples.items():
            arrays = SHAPES[task].draw(rng, count)
            fields = {field: (values.shape[1:], str(values.dtype)) for field, values in arrays.items()}
            writer.split(name, **fields).append(**arrays)
    return Dataset(path)
