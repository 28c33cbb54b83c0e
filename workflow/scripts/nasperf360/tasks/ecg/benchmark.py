"""ECG from ``challenge2017.pkl``, all records and labels in one pickle; split and cut as ``data.py`` does."""

from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import each
from nasperf360.errors import DataError
from nasperf360.tasks.ecg.data import check_signal, write_windows
from nasperf360.tasks.ecg.spec import LABELS, PreprocessSettings
from nasperf360.tasks.shared.arrays import check_shape
from nasperf360.tasks.shared.pickles import fields_of, read_pickle

SAMPLES = {"train": 261_740, "valid": 33_281, "test": 33_494, "final_train": 296_044, "final_test": 32_471}


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Records in the order of the file, which is PhysioNet's."""
    path = raw.one("records", "challenge2017.pkl").path
    signals, labels = read_records(path)
    write_windows(writer, signals, labels, options, path)


def read_records(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Signals (N,) int16 and labels 0 to 3 of all records.

    Raises:
        DataError: a truncated or wrong file, a missing key, a signal that is none, a label other than N, A, O and ~.
    """
    with open(path, "rb") as stream:
        data, names = fields_of(path, read_pickle(path, stream, encoding="bytes"), "data", "label")
    for key, values in (("data", data), ("label", names)):
        if not isinstance(values, np.ndarray | list | tuple) or np.ndim(values) == 0:
            raise DataError(f"{path}: '{key}' is a {type(values).__name__}, expected an array")
    if len(data) != len(names):
        raise DataError(f"{path}: {len(data)} records in 'data', but {len(names)} labels in 'label'")
    labels = each(enumerate(names), lambda item: _label(path, *item))
    return each(enumerate(data), lambda item: _signal(path, *item)), np.array(labels, np.int64)


def _label(path: Path, number: int, name: Any) -> int:
    text = name.decode("latin1") if isinstance(name, bytes) else str(name)
    if text not in LABELS:
        raise DataError(f"{path}: 'label' of record {number} is '{text[:20]}', expected N, A, O or ~")
    return LABELS.index(text)


def _signal(path: Path, number: int, values: Any) -> np.ndarray:
    what = f"'data' of record {number}"
    signal = check_shape(path, what, values, "iuf", None)
    if not signal.size:
        raise DataError(f"{path}: {what} is empty")
    return check_signal(path, what, signal)
