"""Satellite from ``satellite_{train,test}.npy``, each a pickled dictionary of series and classes."""

from pathlib import Path

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.settings.declaration import NoSettings
from nasperf360.tasks.satellite.data import ROWS, Blocks, write_splits
from nasperf360.tasks.satellite.spec import CLASSES, DATES
from nasperf360.tasks.shared.arrays import check_labels, check_shape, read_objects
from nasperf360.tasks.shared.pickles import fields_of

SAMPLES = {"train": 800_000, "valid": 100_000, "test": 100_000}


def preprocess(raw: RawFiles, writer: DatasetWriter, options: NoSettings) -> None:
    """The same splits as of the csv files."""
    train, test = (raw.one(role, f"satellite_{role}.npy").path for role in ("train", "test"))
    labels, series = read_dictionary(train)
    write_splits(writer, train, len(labels), blocks(labels, series), test, blocks(*read_dictionary(test)))


def read_dictionary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) from 1 and series (N, 46) as stored.

    Raises:
        DataError: a truncated or wrong file, a missing key, arrays of another shape, type or range.
    """
    content = read_objects(path, (), "a dictionary of 'data' and 'label'", encoding="bytes")
    record = content.item() if isinstance(content, np.ndarray) and content.ndim == 0 else content
    data, label = fields_of(path, record, "data", "label")
    series = check_shape(path, "'data'", data, "iuf", None, DATES)
    return 1 + check_labels(path, "'label'", label, len(series), 1, CLASSES), series


def blocks(labels: np.ndarray, series: np.ndarray) -> Blocks:
    """Pieces of both, to be standardised one after the other."""
    for start in range(0, len(labels), ROWS):
        rows = slice(start, start + ROWS)
        yield labels[rows], series[rows].astype(np.float64)
