"""How large tasks are: the processed data where they are there, else the published sizes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import Dataset, Split
from nasperf360.errors import UserError
from nasperf360.tasks.shared.task_spec import task_spec


@dataclass(frozen=True)
class Size:
    """Samples of a task, each of the shape of a stored training sample; larger test samples count as several.

    Args:
        shape: of a stored training sample ``x``.
        train: in an epoch of a search.
        valid: evaluated once per validation.
        final_train: in an epoch of retraining.
        test: evaluated after retraining.
        value_bytes: of a stored value of ``x``.
        groups: of validation samples, where a validation loss looks at one of each.
    """

    shape: tuple[int, ...]
    train: int
    valid: int
    final_train: int
    test: int
    groups: int | None = None
    value_bytes: int = 4


PUBLISHED = {
    "cifar100": Size((3, 32, 32), 40_000, 10_000, 50_000, 10_000, value_bytes=1),
    "spherical": Size((3, 60, 60), 40_000, 10_000, 50_000, 10_000, value_bytes=1),
    "ninapro": Size((1, 16, 52), 2_638, 659, 3_297, 659),
    # An epoch visits a chunk per clip; every chunk, two per second of sound, is evaluated: about 8 and 28 hours.
    "fsd50k": Size((1, 96, 101), 36_796, 55_000, 36_796, 191_000, groups=4_170, value_bytes=2),
    "darcy": Size((1, 85, 85), 900, 100, 1_000, 100),
    "psicov": Size((57, 128, 128), 3_356, 100, 3_456, 150 * 16),  # test proteins of 512 x 512
    "cosmic": Size((1, 128, 128), 4_347, 483, 4_830, 420),
    "ecg": Size((1, 1000), 261_740, 33_281, 296_044, 32_471),
    "satellite": Size((1, 46), 800_000, 100_000, 900_000, 100_000),
    "deepsea": Size((4, 1000), 71_753, 2_490, 71_753, 149_400, value_bytes=1),
}
"""The tasks at full size."""


def size_of(task: str, data: Path) -> Size:
    """Of the processed data where they are there, else as published.

    Raises:
        UserError: a task that is neither.
    """
    path = data / f"{task}.h5"
    if path.is_file():
        return _size_on_disk(task, path)
    if task not in PUBLISHED:
        raise UserError(f"{path}: no such file, and the task has no published size; run: snakemake {path}")
    return PUBLISHED[task]


def _size_on_disk(name: str, path: Path) -> Size:
    spec = task_spec(name)
    with Dataset(path) as dataset:
        train, valid = dataset.tuning()
        final_train, test = dataset.final(spec.merge_valid)

        def epoch(split: Split) -> int:
            return len(np.unique(split.load("group"))) if spec.one_per_group else len(split)

        larger = math.prod(test.shape("x")) / math.prod(train.shape("x"))
        groups = epoch(valid) if spec.one_per_group else None
        shape, tested = train.shape("x"), round(len(test) * larger)
        value_bytes = train.field_bytes("x") // (len(train) * math.prod(shape))
        return Size(shape, epoch(train), len(valid), epoch(final_train), tested, groups, value_bytes)
