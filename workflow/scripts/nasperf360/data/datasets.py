"""Processed data sets on disk: HDF5, one group per split, chunked along samples, with a JSON manifest beside it.

A split holds ``x`` and ``y`` and what the metric needs per sample (``group``, ``length``, ``ignore``), all with the
same first axis. No torch here: preprocessing does not need it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from nasperf360.errors import DataError, UserError
from nasperf360.files import atomic_path, digest_file, read_json, remembered, write_json

SPLITS = ("train", "valid", "test", "final_train", "final_test")
CHUNK_BYTES = 1 << 20

Field = tuple[tuple[int, ...], str]
"""Shape of one sample of a field, and its dtype."""


class SplitWriter:
    """Appends samples to one split, checking each batch; memory stays bounded by the batch given."""

    def __init__(self, group: h5py.Group, name: str, fields: Mapping[str, Field], classes: int | None, source: str):
        self.name, self.source, self.classes, self.samples = name, source, classes, 0
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
        for key, values in batch.items():
            dataset = self._datasets[key]
            dataset.resize(self.samples + count, axis=0)
            dataset[self.samples :] = values
        self.samples += count


class DatasetWriter:
    """Context manager that writes ``data/<task>.h5`` and its manifest; nothing is left behind on failure.

    Args:
        path: the HDF5 file to write; the manifest goes beside it, with the suffix ``.json``.
        attributes: what the manifest and the file's attributes say: task, origin, licence, parameters, sources.
    """

    def __init__(self, path: str | Path, **attributes: Any):
        self.path = Path(path)
        self.attributes = attributes
        self._splits: dict[str, SplitWriter] = {}

    def __enter__(self) -> "DatasetWriter":
        self._atomic = atomic_path(self.path)
        self._file = h5py.File(self._atomic.__enter__(), "w", libver="latest")
        return self

    def split(
        self, name: str, *, x: Field, y: Field, classes: int | None = None, source: str | Path = "", **fields: Field
    ) -> SplitWriter:
        """Start a split. ``classes`` bounds integer labels (None for real targets); ``source`` names its raw file."""
        if name not in SPLITS:
            raise ValueError(f"split {name!r}, expected one of {SPLITS}")
        writer = SplitWriter(
            self._file.create_group(name), name, {"x": x, "y": y, **fields}, classes, str(source or self.path)
        )
        self._splits[name] = writer
        return writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException as failure:
            self._file.close()
            self._atomic.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._file.close()
        self._atomic.__exit__(kind, error, trace)
        if error is None:
            self.manifest["bytes"] = self.path.stat().st_size
            self.manifest["sha256"] = digest_file(self.path)
            write_json(self.path.with_suffix(".json"), self.manifest)

    def _finish(self) -> None:
        for name in ("train", "valid", "test"):
            if name not in self._splits:
                raise DataError(f"{self.path}: no split '{name}' was written")
        for name, split in self._splits.items():
            if split.samples == 0:
                raise DataError(f"{split.source}: the split '{name}' is empty")
        splits = {
            name: {
                "samples": len(group["x"]),
                "fields": {
                    key: {"shape": list(field.shape[1:]), "dtype": str(field.dtype)}
                    for key, field in sorted(group.items())
                },
            }
            for name, group in self._file.items()
        }
        self.manifest: dict[str, Any] = {**self.attributes, "splits": splits}
        for key, value in self.attributes.items():
            self._file.attrs[key] = value if isinstance(value, str) else repr(value)


class Split:
    """One split, several concatenated (train + valid), or a range of either; fields stay on disk until asked for."""

    def __init__(self, groups: list[h5py.Group], name: str, start: int = 0, stop: int | None = None):
        self.groups, self.name = groups, name
        self.sizes = [len(group["x"]) for group in groups]
        self.start, self.stop = start, sum(self.sizes) if stop is None else stop
        self.fields = sorted(groups[0])

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> "Split":
        """The samples ``start`` to ``stop`` (exclusive) of this split, as a split.

        Raises:
            UserError: the range is empty or reaches beyond this split.
        """
        if not 0 <= start < stop <= len(self):
            raise UserError(
                f"samples {start} to {stop} of the split '{self.name}' are asked for, but it has {len(self)}; "
                f"preprocess more samples"
            )
        return Split(self.groups, f"{self.name}[{start}:{stop}]", self.start + start, self.start + stop)

    @property
    def nbytes(self) -> int:
        """Bytes of all fields."""
        rows = (field.nbytes / len(field) for group in self.groups[:1] for field in group.values())
        return round(sum(rows) * len(self))

    def shape(self, field: str = "x") -> tuple[int, ...]:
        """Shape of one sample of a field."""
        return tuple(self.groups[0][field].shape[1:])

    def load(self, field: str) -> np.ndarray:
        """A whole field, samples first."""
        parts, first = [], 0
        for group, size in zip(self.groups, self.sizes, strict=True):
            low, high = max(self.start - first, 0), min(self.stop - first, size)
            if low < high:
                parts.append(group[field][low:high])
            first += size
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def read(self, field: str, indices: np.ndarray) -> np.ndarray:
        """The samples at ``indices`` (any order, repeats allowed), read from disk in ascending order."""
        unique, inverse = np.unique(indices, return_inverse=True)
        unique = unique + self.start
        parts, start = [], 0
        for group, size in zip(self.groups, self.sizes, strict=True):
            inside = unique[(unique >= start) & (unique < start + size)] - start
            if len(inside):
                low, high = int(inside[0]), int(inside[-1]) + 1
                # One contiguous read beats HDF5's point selection unless the points are far apart.
                dense = high - low <= 4 * len(inside)
                parts.append(group[field][low:high][inside - low] if dense else group[field][inside])
            start += size
        return np.concatenate(parts)[inverse]

    def targets(self) -> dict[str, np.ndarray]:
        """Every field but ``x``, loaded: what a metric needs."""
        return {field: self.load(field) for field in self.fields if field != "x"}


def group_starts(groups: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins: the first sample of each group of a split, whose groups stand together."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])


class Dataset:
    """An open processed data set, checked against its manifest by size and, at will, by digest."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.manifest: dict[str, Any] = read_json(self.path.with_suffix(".json"))
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size != self.manifest["bytes"]:
            raise DataError(
                f"{self.path}: {size} bytes, but its manifest says {self.manifest['bytes']}; "
                f"delete both and run again to rebuild it"
            )
        self._file = h5py.File(self.path, "r")

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def simulated(self) -> bool:
        """Whether it was made from simulated raw files."""
        return bool(self.manifest["origin"] == "simulated")

    def verify(self, memory: Path | None = None) -> None:
        """Compare the file's bytes with the manifest's digest.

        Args:
            memory: remembers which file, by size, time and inode, has which digest: that one is not read again.

        Raises:
            DataError: they differ.
        """
        status, wanted = self.path.stat(), self.manifest["sha256"]
        found = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino, "sha256": wanted}
        if memory and remembered(memory) == found:
            return
        if digest_file(self.path) != wanted:
            raise DataError(f"{self.path}: its content differs from its manifest; delete both and run again")
        if memory:
            write_json(memory, found)

    def split(self, *names: str) -> Split:
        """One split by name, or several concatenated.

        Raises:
            UserError: no such split.
        """
        for name in names:
            if name not in self._file:
                raise UserError(f"{self.path}: no split '{name}'; it has {', '.join(sorted(self._file))}")
        return Split([self._file[name] for name in names], "+".join(names))

    def tuning(self) -> tuple[Split, Split]:
        """Train and validation split, for search and tuning."""
        return self.split("train"), self.split("valid")

    def final(self, merge_valid: bool) -> tuple[Split, Split]:
        """Train and test split of the final number: the stored final splits, else train (+ valid) and test."""
        if "final_train" in self._file:
            return self.split("final_train"), self.split("final_test")
        return self.split("train", "valid") if merge_valid else self.split("train"), self.split("test")
