"""Small processed data sets to publish."""

import numpy as np

from nasperf360.data.datasets import DatasetWriter

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def make_dataset(folder, task="ecg", samples=50, length=1000, origin="simulated", licence="none needed"):
    """``<folder>/<task>.h5`` of numbers that nothing can be left out of."""
    path = folder / f"{task}.h5"
    rng = np.random.default_rng(0)
    with DatasetWriter(path, task=task, origin=origin, licence=licence, parameters={}, sources={}) as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((1, length), "float32"), y=((), "int64"), classes=4)
            x = rng.normal(size=(samples, 1, length)).astype("float32")
            split.append(x=x, y=rng.integers(0, 4, samples))
    return path
