"""ECG from its records: ``x`` windows (1, 1000) float32 of records standardised as a whole, ``y`` and ``group`` int64.

``group`` tells which record a window is of; ``unseen`` (uint8, of the final test alone) is 1 where no search has seen
that record, which is where tuning did not validate on it.

Raw files: ``<id>.mat`` (MATLAB v4, ``val``: int16, 300 Hz) of role ``records``, and ``REFERENCE-v3.csv`` (id, label) of
role ``labels`` or among the records.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import each, reading
from nasperf360.errors import DataError
from nasperf360.seeds import generator
from nasperf360.tasks.ecg.spec import LABELS, PreprocessSettings
from nasperf360.tasks.shared.matlab import read_matlab

DIVISORS = (1, 6, 2, 20)  # the stride of a rare class is shorter, to balance the classes
REFERENCE = "REFERENCE-v3.csv"
BLOCK = 2048  # windows written at a time


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Split by record for tuning and, differently, for the final number; then cut windows."""
    paths, labels = read_reference(raw)
    write_windows(writer, each(paths, read_record), labels, options, raw.manifest)


def write_windows(
    writer: DatasetWriter, signals: Sequence[np.ndarray], labels: np.ndarray, options: PreprocessSettings, source: Path
) -> None:
    """Windows of records (N,) int16, whose labels are 0 to 3; ``source`` is for messages."""
    window, stride = options.window, options.stride
    records = Records(signals)
    rng = generator("ecg", "order")
    splits = split_records(len(signals), source)
    seen = np.concatenate([splits["train"], splits["valid"]])
    for name, members in splits.items():
        record, start = window_table(records.lengths, labels, members, window, stride)
        if name.endswith("train"):
            order = rng.permutation(len(record))
            record, start = record[order], start[order]
        split = writer.split(
            name,
            x=((1, window), "float32"),
            y=((), "int64"),
            classes=len(LABELS),
            source=source,
            group=((), "int64"),
            **({"unseen": ((), "uint8")} if name == "final_test" else {}),
        )
        for begin in range(0, len(record), BLOCK):
            these = record[begin : begin + BLOCK]
            windows = records.windows(these, start[begin : begin + BLOCK], window)
            batch = {"x": windows[:, None], "y": labels[these], "group": these}
            if name == "final_test":
                batch["unseen"] = (~np.isin(these, seen)).astype(np.uint8)
            split.append(None, **batch)


class Records:
    """All recordings end to end, each standardised as a whole, float32 (330 MB at full size).

    A sample lies in up to 40 windows of each split, so it is standardised here, once, and windows are copies alone.
    """

    def __init__(self, signals: Sequence[np.ndarray]):
        self.lengths = np.array([len(signal) for signal in signals])
        self.offsets = np.cumsum(self.lengths) - self.lengths
        self.signal = np.empty(self.lengths.sum(), np.float32)
        for offset, signal in zip(self.offsets, signals, strict=True):
            self.signal[offset : offset + len(signal)] = standardise(signal)

    def windows(self, record: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
        """Windows (n, length) that begin at ``start`` samples into each ``record``."""
        return np.lib.stride_tricks.sliding_window_view(self.signal, length)[self.offsets[record] + start]


def standardise(signal: np.ndarray) -> np.ndarray:
    """A signal (N,) less its mean, over its population standard deviation; float64."""
    centred = signal - signal.mean(dtype=np.float64)
    centred /= np.sqrt(np.square(centred).mean())  # as signal.std has it, which would centre once more
    return centred


def read_record(path: Path) -> np.ndarray:
    """The samples (N,) of one record, int16.

    Raises:
        DataError: the file is damaged, does not hold a single int16 lead, or the signal is constant.
    """
    values = read_matlab(path, "val")["val"]
    if values.ndim != 2 or values.shape[0] != 1 or not values.size:
        raise DataError(f"{path}: 'val' is {values.dtype} of shape {values.shape}, expected int16 (1, N)")
    return check_signal(path, "'val'", values[0])


def check_signal(path: Path, what: str, values: np.ndarray) -> np.ndarray:
    """A signal (N,) of at least one sample as int16, in whatever type its values were stored; ``what`` holds it.

    Raises:
        DataError: they are others than int16 can hold, or all the same.
    """
    if values.dtype != np.int16:  # MATLAB itself reads and saves them as doubles
        exact = values.astype(np.int16) if (np.abs(values) <= np.iinfo(np.int16).max).all() else None
        if exact is None or (exact != values).any():
            raise DataError(f"{path}: {what} is {values.dtype} of shape {values.shape}, expected int16 (N,)")
        values = exact
    if values.min() == values.max():
        raise DataError(f"{path}: the signal is constant and cannot be standardised, in {what}")
    return values


def read_reference(raw: RawFiles) -> tuple[list[Path], np.ndarray]:
    """Paths of the records and their labels 0 to 3, in the order of ``REFERENCE-v3.csv``.

    Raises:
        DataError: a label that is none of N, A, O and ~, or a record without label or the reverse.
    """
    role = "labels" if any(file.role == "labels" for file in raw.files) else "records"
    reference = raw.one(role, REFERENCE).path
    with reading(reference, "a csv file"), open(reference, newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or row[1] not in LABELS:
            raise DataError(
                f"{reference}: line {number} is '{','.join(row)}', expected id,label with a label of N, A, O, ~"
            )
    labelled = {name: LABELS.index(label) for name, label in rows}
    paths = {file.path.stem: file.path for file in raw.all("records", "*.mat")}
    lost = sorted(labelled.keys() ^ paths.keys())
    if lost or len(labelled) < len(rows):
        what = f"'{lost[0]}' has a label or a .mat file but not both" if lost else "a record is listed twice"
        raise DataError(f"{reference}: {what}")
    return [paths[name] for name in labelled], np.array(list(labelled.values()))


def split_records(count: int, source: str | Path) -> dict[str, np.ndarray]:
    """Records of each split, not stratified, as the reference code draws them with scikit-learn and seed 0.

    Tuning holds out 20 %, half of it to validate and half to test; the final number holds out another 10 %. All
    final test records were held out in tuning, about half of them for validation.
    """
    if count < 10:
        raise DataError(f"{source}: {count} records, but the splits of ecg need at least 10; add records")
    everything = np.arange(count)
    train, held_out = train_test_split(everything, test_size=0.2, random_state=0)
    valid, test = train_test_split(held_out, test_size=0.5, random_state=0)
    final_train, final_test = train_test_split(everything, test_size=0.1, random_state=0)
    return {"train": train, "valid": valid, "test": test, "final_train": final_train, "final_test": final_test}


def window_table(
    lengths: np.ndarray, labels: np.ndarray, members: np.ndarray, window: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Record and first sample of each window, record by record, at the stride of the record's class.

    Windows begin at 0, stride, ... below length - window, as in the reference code: one that would end with the last
    sample is left out.
    """
    strides = np.maximum(1, stride // np.array(DIVISORS))[labels[members]]
    counts = -(-np.maximum(0, lengths[members] - window) // strides)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(members, counts), within * np.repeat(strides, counts)
