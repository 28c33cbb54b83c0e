"""Processed data sets on disk: HDF5, one group per split, chunked along samples, with a JSON manifest beside it.

A split holds ``x`` and ``y`` and what the metric needs per sample (``group``, ``length``, ``ignore``), all with the
same first axis. No torch here: preprocessing does not need it.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from nasperf360.data.dataset_content import check_content
from nasperf360.data.dataset_manifest import Fields, check_alike, read_manifest
from nasperf360.data.disk_room import DiskRoom, check_room
from nasperf360.data.memory import DataMemory
from nasperf360.data.reading import reading
from nasperf360.errors import DataError, UserError
from nasperf360.files import atomic_path, digest_file, read_json, remembered, write_json

SPLITS = ("train", "valid", "test", "final_train", "final_test")
FURTHER = ("noise",)  # what augmentation mixes in
CHUNK_BYTES = 1 << 20
READ_BYTES = 16 << 20  # the most that one call reads
GAP_BYTES = 1 << 16  # between two rows; to read so much and leave it takes no longer than a second call

_MEND = "delete both and run again to rebuild it"

Field = tuple[tuple[int, ...], str]
"""Shape of one sample of a field, and its dtype."""


class SplitWriter:
    """Appends samples to one split, checking each batch; memory stays bounded by the batch given."""

    def __init__(
        self,
        group: h5py.Group,
        name: str,
        fields: Mapping[str, Field],
        classes: int | None,
        source: str,
        room: DiskRoom,
    ):
        self.name, self.source, self.classes, self.samples = name, source, classes, 0
        self._room = room
        self._datasets: dict[str, h5py.Dataset] = {}
        for key, (shape, dtype) in fields.items():
            row_bytes = max(1, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
            rows = int(np.clip(CHUNK_BYTES // row_bytes, 1, 4096))
            self._datasets[key] = group.create_dataset(
                key, shape=(0, *shape), maxshape=(None, *shape), chunks=(rows, *shape), dtype=dtype
            )

    def append(self, source: str | Path | None = None, **batch: np.ndarray) -> None:
        """Append a batch; each array has samples first. ``source`` names the raw file in errors.

        Raises:
            DataError: fields missing, unequal lengths, a wrong sample shape, NaN or infinity, a label out of range.
        """
        where = f"{source or self.source}: {self.name}"
        if batch.keys() != self._datasets.keys():
            raise DataError(f"{where}: fields {sorted(batch)}, expected {sorted(self._datasets)}")
        count = len(batch["x"])
        for key, values in batch.items():
            dataset, values = self._datasets[key], np.asarray(values)
            if values.shape != (count, *dataset.shape[1:]):
                raise DataError(f"{where}: '{key}' has shape {values.shape}, expected {(count, *dataset.shape[1:])}")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                bad = self.samples + int(np.argwhere(~np.isfinite(values))[0][0])
                raise DataError(f"{where}: NaN or infinity in '{key}' of sample {bad}")
        labels = np.asarray(batch["y"])
        if self.classes is not None and count and (labels.min() < 0 or labels.max() >= self.classes):
            raise DataError(f"{where}: labels {labels.min()} to {labels.max()}, allowed are 0 to {self.classes - 1}")
        self._room.take(dict.fromkeys(self._datasets.values(), count))
        for key, values in batch.items():
            dataset = self._datasets[key]
            dataset.resize(self.samples + count, axis=0)
            dataset[self.samples :] = values
        self.samples += count

    def distinct(self, field: str) -> int:
        """How many different values a field has."""
        return len(np.unique(self._datasets[field]))


class DatasetWriter:
    """Context manager that writes ``data/<task>.h5`` and its manifest; nothing is left behind on failure.

    Args:
        path: the HDF5 file to write; the manifest goes beside it, with the suffix ``.json``.
        attributes: what the manifest and the file's attributes say: task, origin, licence, parameters, sources.
    """

    def __init__(self, path: str | Path, **attributes: Any):
        self.path = Path(path)
        self.attributes = attributes
        self.splits: dict[str, SplitWriter] = {}

    def __enter__(self) -> "DatasetWriter":
        with ExitStack() as stack:
            partial = stack.enter_context(atomic_path(self.path))
            check_room(partial)
            self._file = stack.enter_context(h5py.File(partial, "w", libver="latest", locking=False))
            self._room = DiskRoom(self._file)
            self._stack = stack.pop_all()
        return self

    def split(
        self, name: str, *, x: Field, y: Field, classes: int | None = None, source: str | Path = "", **fields: Field
    ) -> SplitWriter:
        """Start a split. ``classes`` bounds integer labels (None for real targets); ``source`` names its raw file."""
        if name not in SPLITS + FURTHER:
            raise ValueError(f"split {name!r}, expected one of {SPLITS + FURTHER}")
        self._room.take({})
        group = self._file.create_group(name)
        writer = SplitWriter(group, name, {"x": x, "y": y, **fields}, classes, str(source or self.path), self._room)
        self.splits[name] = writer
        return writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)
        if error is None:
            self.manifest["bytes"] = self.path.stat().st_size
            self.manifest["sha256"] = digest_file(self.path)
            write_json(self.path.with_suffix(".json"), self.manifest)

    def _finish(self) -> None:
        for name in ("train", "valid", "test"):
            if name not in self.splits:
                raise DataError(f"{self.path}: no split '{name}' was written")
        for name, split in self.splits.items():
            if split.samples == 0:
                raise DataError(f"{split.source}: the split '{name}' is empty")
        fields = {name: _fields(group) for name, group in self._file.items()}
        joined = {name: fields[name] for name in ("train", "valid")}
        check_alike(joined, self.path, "write both alike: a final training joins them")
        splits = {name: {"samples": len(self._file[name]["x"]), "fields": found} for name, found in fields.items()}
        self.manifest: dict[str, Any] = {**self.attributes, "splits": splits}
        said = {key: value if isinstance(value, str) else repr(value) for key, value in self.attributes.items()}
        self._room.take({}, 2 * sum(map(len, said.values())))
        self._file.attrs.update(said)
        self._room.give_back()


class Split:
    """One split, several concatenated (train + valid), or a subset of either; fields stay on disk until asked for.

    Args:
        groups: of the file, whose samples follow each other.
        name: for messages.
        memory: of the job, for what loaders hold of this split.
        rows: which samples of the groups; all if None.
    """

    def __init__(self, groups: list[h5py.Group], name: str, memory: DataMemory, rows: np.ndarray | None = None):
        self.groups, self.name, self.memory = groups, name, memory
        self._firsts = np.cumsum([0, *(len(group["x"]) for group in groups)])  # of each group, and the end
        self.rows = np.arange(self._firsts[-1]) if rows is None else rows
        self.fields = sorted(groups[0])
        self.held: dict[str, Any] = {}  # fields that loaders keep in memory, as they keep them

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, indices: np.ndarray, name: str) -> "Split":
        """The samples at ``indices`` of this split, in that order, as a split; ``name`` says what they are.

        Raises:
            UserError: there are none, or some are beyond this split.
        """
        if not len(indices) or indices.min() < 0 or indices.max() >= len(self):
            asked = f"{indices.min()} to {indices.max()}" if len(indices) else "none"
            raise UserError(
                f"of the split '{self.name}' samples are asked for ({name}: {asked}) that are not among its "
                f"{len(self)}; preprocess more samples"
            )
        return Split(self.groups, f"{self.name}, {name}", self.memory, self.rows[indices])

    def beside(self, name: str) -> "Split | None":
        """Another split of the same file; None where it has none of that name."""
        file = self.groups[0].file
        return Split([file[name]], name, self.memory) if name in file else None

    @property
    def nbytes(self) -> int:
        """Bytes of all fields."""
        return sum(map(self.field_bytes, self.fields))

    def field_bytes(self, field: str) -> int:
        """Bytes of a field."""
        return len(self) * _row_bytes(self.groups[0][field])

    def shape(self, field: str = "x") -> tuple[int, ...]:
        """Shape of one sample of a field."""
        return tuple(self.groups[0][field].shape[1:])

    def load(self, field: str) -> np.ndarray:
        """A whole field, samples first."""
        return self.read(field, np.arange(len(self)))

    def read(self, field: str, indices: np.ndarray) -> np.ndarray:
        """The samples at ``indices`` (any order, repeats allowed), in that order, read from disk in ascending order.

        Raises:
            DataError: the file cannot be read.
        """
        rows = self.rows[indices]
        out = np.empty((len(rows), *self.shape(field)), self.groups[0][field].dtype)
        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], self._firsts)
        for group, first, (low, high) in zip(self.groups, self._firsts[:-1], pairwise(ends), strict=True):
            _read_rows(group[field], rows[order[low:high]] - first, out, order[low:high])
        return out

    def targets(self) -> dict[str, np.ndarray]:
        """Every field but ``x``, loaded: what a metric needs."""
        return {field: self.load(field) for field in self.fields if field != "x"}


def _fields(group: h5py.Group) -> Fields:
    return {key: {"shape": list(field.shape[1:]), "dtype": str(field.dtype)} for key, field in sorted(group.items())}


def _row_bytes(dataset: h5py.Dataset) -> int:
    return math.prod(dataset.shape[1:]) * int(dataset.dtype.itemsize)


def _read_rows(dataset: h5py.Dataset, rows: np.ndarray, out: np.ndarray, places: np.ndarray) -> None:
    """Put ascending rows of a data set on disk into their places in ``out``.

    Neighbours are read at once, straight into ``out`` where they stand together there too. h5py's own selection by a
    list of indices takes 80 ms for a row of 4 MB that a read of the row alone takes 2 for.
    """
    size, stored = max(1, _row_bytes(dataset)), _RowsOnDisk(dataset)
    apart = np.diff(rows) > 1 + GAP_BYTES // size
    apart |= np.diff(rows // max(1, READ_BYTES // size)) > 0
    edges = np.flatnonzero(np.r_[True, apart, True]) if len(rows) else np.empty(0, np.int64)
    for start, stop in pairwise(edges.tolist()):
        first, place = int(rows[start]), int(places[start])
        count = int(rows[stop - 1]) - first + 1
        if all((np.diff(numbers[start:stop]) == 1).all() for numbers in (rows, places)):
            stored.read(first, out[place : place + count])
        else:
            run = np.empty((count, *out.shape[1:]), out.dtype)
            stored.read(first, run)
            out[places[start:stop]] = run[rows[start:stop] - first]


class _RowsOnDisk:
    """Reads runs of rows by HDF5's own call, with what the calls share made once: for a row of 40 kB that takes an
    eighth of the time of h5py's ``read_direct``.
    """

    def __init__(self, dataset: h5py.Dataset):
        self.dataset, self.space = dataset, dataset.id.get_space()
        self.type = h5py.h5t.py_create(dataset.dtype)
        self.start = [0] * dataset.ndim

    def read(self, first: int, out: np.ndarray) -> None:
        """As many rows as ``out`` has.

        Raises:
            DataError: the file cannot be read.
        """
        self.start[0] = first
        self.space.select_hyperslab(tuple(self.start), out.shape)
        try:
            self.dataset.id.read(h5py.h5s.create_simple(out.shape), self.space, out, self.type)
        except OSError as error:
            raise DataError(
                f"{self.dataset.file.filename}: cannot be read ({error}); delete it and its manifest and run again "
                f"to rebuild it"
            ) from error


def group_starts(groups: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins: the first sample of each group of a split, whose groups stand together."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])


def group_runs(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same, and how many samples each group has."""
    starts = group_starts(groups)
    return starts, np.diff(np.r_[starts, len(groups)])


class Dataset:
    """An open processed data set, checked against its manifest by size and, at will, by digest.

    Args:
        path: of the HDF5 file.
        memory_bytes: of its samples, how much loaders may hold in memory, all together; they read the rest from disk.
    """

    def __init__(self, path: str | Path, memory_bytes: float = math.inf):
        self.path, self.memory = Path(path), DataMemory(memory_bytes)
        place = self.path.with_suffix(".json")
        self.manifest = dict(read_manifest(read_json(place), place, _MEND))
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size != self.manifest["bytes"]:
            raise DataError(f"{self.path}: {size} bytes, but its manifest says {self.manifest['bytes']}; {_MEND}")
        with reading(self.path, "a data set"):
            # HDF5's cache would read whole chunks of many samples for a single one.
            self._file = h5py.File(self.path, "r", rdcc_nbytes=0, locking=False)

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def simulated(self) -> bool:
        """Whether it was made from simulated raw files."""
        return bool(self.manifest["origin"] == "simulated")

    def verify(self, memory: Path | None = None, classes: int | None = None) -> None:
        """Compare the file with its manifest: its bytes by their digest, and what they hold.

        Args:
            memory: remembers which file, by size, time and inode, was compared: that one is not read again.
            classes: how many values labels take; None if that is not known.

        Raises:
            DataError: they differ.
        """
        status, wanted = self.path.stat(), self.manifest["sha256"]
        found = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino, "sha256": wanted}
        if memory and remembered(memory) == found:
            return
        if digest_file(self.path) != wanted:
            raise DataError(f"{self.path}: its content differs from its manifest; {_MEND}")
        check_content(self.path, self.manifest, classes, _MEND)
        if memory:
            write_json(memory, found)

    def split(self, *names: str) -> Split:
        """One split by name, or several concatenated.

        Raises:
            UserError: no such split, or splits that differ in kind.
        """
        for name in names:
            if name not in self._file:
                raise UserError(f"{self.path}: no split '{name}'; it has {', '.join(sorted(self._file))}")
        if len(names) > 1:
            check_alike({name: _fields(self._file[name]) for name in names}, self.path, "take one at a time")
        return Split([self._file[name] for name in names], "+".join(names), self.memory)

    def tuning(self) -> tuple[Split, Split]:
        """Train and validation split, for search and tuning."""
        return self.split("train"), self.split("valid")

    def final(self, merge_valid: bool) -> tuple[Split, Split]:
        """Train and test split of the final number: the stored final splits, else train (+ valid) and test."""
        if "final_train" in self._file:
            return self.split("final_train"), self.split("final_test")
        return self.split("train", "valid") if merge_valid else self.split("train"), self.split("test")
