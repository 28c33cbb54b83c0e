"""Satellite from csv files: ``x`` series (1, 46) float32, each standardised by itself, ``y`` int64.

Series of Formosat-2 over Toulouse, 2006. Raw files: a csv without header per role, ``train`` and ``test``: the class 1
to 24, then 46 values, one per date.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasperf360.data.datasets import DatasetWriter, SplitWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.settings.declaration import NoSettings
from nasperf360.tasks.satellite.spec import CLASSES, DATES

ROWS = 20_000  # read at a time
Blocks = Iterator[tuple[np.ndarray, np.ndarray]]
"""Labels (n,) from 1 and series (n, 46) as stored, block by block."""
MOST = 1 << 31  # a larger label is nonsense, and no whole number of numpy's


def preprocess(raw: RawFiles, writer: DatasetWriter, options: NoSettings) -> None:
    """The last rows of the training file, as many as the test file has, are the validation split."""
    train, test = raw.one("train", "*.csv").path, raw.one("test", "*.csv").path
    write_splits(writer, train, count_rows(train), read_series(train), test, read_series(test))


def write_splits(
    writer: DatasetWriter, train: Path, rows: int, train_series: Blocks, test: Path, test_series: Blocks
) -> None:
    """Write the blocks of the training file, of so many rows, and of the test file; the paths are for messages."""
    split = _split(writer, "test", test)
    for labels, series in test_series:
        _append(split, test, labels, series)
    remaining = rows - split.samples
    if remaining <= 0:
        raise DataError(f"{train}: no more rows than {test} ({split.samples}), so none is left to train on")
    subsets = [_split(writer, name, train) for name in ("train", "valid")]
    for labels, series in train_series:
        here = min(len(labels), remaining)
        _append(subsets[0], train, labels[:here], series[:here])
        _append(subsets[1], train, labels[here:], series[here:])
        remaining -= here


def _split(writer: DatasetWriter, name: str, source: Path) -> SplitWriter:
    return writer.split(name, x=((1, DATES), "float32"), y=((), "int64"), classes=CLASSES, source=source)


def _append(split: SplitWriter, source: Path, labels: np.ndarray, series: np.ndarray) -> None:
    split.append(source, x=standardise(series)[:, None], y=labels - 1)


def count_rows(path: Path) -> int:
    """Lines that are not blank."""
    with open(path, "rb") as stream:
        return sum(1 for line in stream if not line.isspace())


def read_series(path: Path) -> Blocks:
    """The rows of a csv file.

    Raises:
        DataError: a row that is too short or too long, a value that is no number, a label that is no whole number.
    """
    options: Any = {"header": None, "dtype": np.float64, "chunksize": ROWS, "encoding": "utf-8-sig"}
    with reading(path, "csv without header"), pd.read_csv(path, **options) as blocks:
        for block in blocks:
            values = block.to_numpy()
            if values.shape[1] != DATES + 1:
                raise DataError(f"{path}: rows of {values.shape[1]} values, expected a label and {DATES} values")
            labels = values[:, 0]
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1) | (labels % 1 != 0) | (np.abs(labels) > MOST))
            if len(bad):
                raise DataError(
                    f"{path}: row {block.index[bad[0]] + 1} is truncated, or holds NaN or a label that is no whole "
                    f"number"
                )
            yield labels.astype(np.int64), values[:, 1:]


def standardise(series: np.ndarray) -> np.ndarray:
    """Each series minus its mean, over its population standard deviation; a constant one becomes zeros. float32."""
    centred = series - series.mean(axis=1, keepdims=True)
    # The range, not the deviation, tells a constant series: its mean may be off by a rounding error.
    constant = np.ptp(series, axis=1, keepdims=True) == 0
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, series.std(axis=1, keepdims=True))).astype(
        np.float32
    )
