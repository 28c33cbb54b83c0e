"""A task that only a network wide throughout can solve."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import Dataset, DatasetWriter
from synthetic import Synthetic, SyntheticTask

CLASSES = 8


class WideTask(SyntheticTask):
    """Which of eight channels holds a peak, of random place and sign."""

    name, classes = "wide", CLASSES


def write_wide(folder: Path, samples: Mapping[str, int], seed: int = 0) -> Synthetic:
    """The data set, below ``folder``."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(folder / "wide.h5", task="wide", origin="simulated", licence="none") as writer:
        for name, count in samples.items():
            y = rng.integers(CLASSES, size=count)
            x = 0.1 * rng.standard_normal((count, CLASSES, 6, 6))
            x[np.arange(count), y, rng.integers(6, size=count), rng.integers(6, size=count)] += 3 * rng.choice(
                [-1, 1], count
            )
            split = writer.split(name, x=((CLASSES, 6, 6), "float32"), y=((), "int64"), classes=CLASSES)
            split.append(x=x.astype(np.float32), y=y)
    return Synthetic(WideTask(2, "point"), Dataset(folder / "wide.h5"))
