"""DeepSEA from its bundle of MATLAB files: ``x`` one-hot DNA (4, 1000) in the order A, G, C, T, ``y`` (36,); uint8."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import DatasetWriter, SplitWriter
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.seeds import generator
from nasperf360.tasks.deepsea.matlab_stream import ByteArray, MatlabFile
from nasperf360.tasks.deepsea.spec import FEATURES, LENGTH, SELECTED, SPEC, PreprocessSettings
from nasperf360.tasks.shared.file_options import file_options

BLOCK_BYTES = 64 << 20
ROWS = 1024  # samples written at a time


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Select columns and sequences, and a share of the training sequences.

    Options of ``train.mat`` in the sources file win over those given.
    """
    train = raw.one("bundle", "train.mat")
    options = options.but(file_options(train, SPEC.file_options["bundle"]).params())
    columns = np.sort(options.columns)
    length = options.length
    for name, fraction in (("train", options.train_fraction), ("valid", 1.0), ("test", 1.0)):
        file = raw.one("bundle", f"{name}.mat")
        with MatlabFile(file.path, scratch=writer.path.parent) as matlab:
            x = matlab.array(f"{name}xdata", LENGTH, 4)
            y = matlab.array(f"{name}data", FEATURES)
            if len(x) != len(y):
                raise DataError(f"{file.path}: {len(x)} sequences, but labels for {len(y)}")
            split = open_split(writer, name, length, file.path)
            rows = _selected(y, columns, options.keep_negatives, fraction)
            for sequences, labels in _samples(x, y, rows, columns):
                append(split, file.path, x.key, sequences, labels, length)


def open_split(writer: DatasetWriter, name: str, length: int, source: Path) -> SplitWriter:
    """A split of sequences of ``length`` bases."""
    return writer.split(name, x=((4, length), "uint8"), y=((SELECTED,), "uint8"), classes=2, source=source)


def append(split: SplitWriter, path: Path, key: str, sequences: np.ndarray, labels: np.ndarray, length: int) -> None:
    """Write the central ``length`` bases of sequences (n, 4, 1000) and their labels (n, 36).

    Raises:
        DataError: a base is several at once; names the file and the array.
    """
    if sequences.sum(axis=1, dtype=np.uint16).max() > 1:
        raise DataError(f"{path}: '{key}' is not one-hot")
    margin = (LENGTH - length) // 2
    split.append(path, x=sequences[:, :, margin : margin + length], y=labels)


def _selected(y: ByteArray, columns: np.ndarray, keep_negatives: bool, fraction: float) -> np.ndarray:
    """Ascending indices of the sequences kept."""
    if keep_negatives:
        positions = np.arange(len(y))
    else:
        positive = [
            start + np.flatnonzero(y.block(start, stop)[columns].any(axis=0)) for start, stop in y.bounds(BLOCK_BYTES)
        ]
        positions = np.concatenate(positive)
    if fraction == 1.0 or not len(positions):
        return positions
    count = max(1, int(fraction * len(positions) + 0.5))
    return np.sort(generator("deepsea", "train_fraction").choice(positions, count, replace=False))


def _samples(
    x: ByteArray, y: ByteArray, rows: np.ndarray, columns: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n, 4, 1000) sequences and (n, 36) labels of ``rows``, in order."""
    for start, stop in x.bounds(BLOCK_BYTES):
        inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
        if len(inside):
            sequences, labels = x.block(start, stop), y.block(start, stop)[columns]
            for part in np.array_split(inside, -(-len(inside) // ROWS)):
                yield sequences[:, :, part].transpose(2, 1, 0), labels[:, part].T
