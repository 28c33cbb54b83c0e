"""Large MATLAB arrays of bytes (uint8, int8, logical), read in blocks along their first MATLAB axis.

MATLAB stores the first axis fastest, so a C reader sees the axes reversed: ``trainxdata`` of (4400000, 4, 1000) is
(1000, 4, 4400000). Both kinds of file give arrays in that reversed order here: v7.3 is HDF5 and is read in place; v5 is
one long, usually compressed, stream, which is unpacked once to a temporary file, never into memory.
"""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nasperf360.data import hdf5
from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.matlab import KIND, v73_array
from nasperf360.tasks.shared.matlab_v5 import matrices


class MatlabFile:
    """Context manager over one ``.mat`` file, v5 or v7.3.

    Args:
        path: the file.
        scratch: a folder with room for the arrays of a v5 file, uncompressed.
    """

    def __init__(self, path: str | Path, scratch: str | Path):
        self.path, self.scratch = Path(path), scratch
        self._stack = ExitStack()
        self._hdf5: h5py.File | None = None

    def __enter__(self) -> "MatlabFile":
        if h5py.is_hdf5(self.path):
            self._hdf5 = self._stack.enter_context(hdf5.opened(self.path, KIND))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def array(self, key: str, *rows: int) -> "ByteArray":
        """The array ``key``, whose reversed shape must be ``(*rows, samples)``.

        Raises:
            DataError: it is missing, of another shape or type, or the file is damaged.
        """
        found = self._from_v5(key) if self._hdf5 is None else self._from_hdf5(self._hdf5, key)
        if found.shape[:-1] != rows or found.shape[-1] == 0:
            expected = " x ".join(("N", *map(str, reversed(rows))))
            raise DataError(f"{self.path}: '{key}' has shape {found.shape[::-1]} (MATLAB order), expected {expected}")
        return found

    def _from_hdf5(self, file: h5py.File, key: str) -> "ByteArray":
        dataset = v73_array(file, key)
        if dataset.dtype.itemsize != 1 or dataset.dtype.kind not in "iub":
            raise DataError(f"{self.path}: '{key}' has values of type {dataset.dtype}, expected uint8")
        return ByteArray(self.path, key, dataset.shape, dataset)

    def _from_v5(self, key: str) -> "ByteArray":
        names = []
        with reading(self.path, KIND):
            for matrix in matrices(self.path):
                names.append(matrix.name)
                if matrix.name == key:
                    if matrix.dtype.itemsize != 1:
                        raise DataError(f"{self.path}: '{key}' has values of type {matrix.dtype}, expected uint8")
                    _, pieces = matrix.pieces()
                    spill = self._stack.enter_context(tempfile.TemporaryFile(dir=self.scratch))  # noqa: SIM115
                    for piece in pieces:
                        spill.write(piece)
                    spill.flush()
                    return ByteArray(self.path, key, matrix.shape[::-1], spill)
        raise DataError(f"{self.path}: no array '{key}'; it has {', '.join(names[:20]) or 'none'}")


class ByteArray:
    """An array of bytes on disk, samples last."""

    def __init__(self, path: Path, key: str, shape: tuple[int, ...], store: Any):
        self.path, self.key, self.shape, self._store = path, key, shape, store

    def __len__(self) -> int:
        return self.shape[-1]

    def bounds(self, block_bytes: int) -> Iterator[tuple[int, int]]:
        """(start, stop) of blocks of samples up to ``block_bytes``, cut where the file's own chunks are."""
        width = max(1, block_bytes // max(1, math.prod(self.shape[:-1])))
        chunks = getattr(self._store, "chunks", None)
        if chunks and width > chunks[-1]:
            width -= width % chunks[-1]
        for start in range(0, len(self), width):
            yield start, min(start + width, len(self))

    def block(self, start: int, stop: int) -> np.ndarray:
        """Samples ``start`` to ``stop`` (last axis) as uint8.

        Raises:
            DataError: the file is damaged.
        """
        if isinstance(self._store, h5py.Dataset):
            with reading(self.path, KIND):
                return self._store[..., start:stop].astype(np.uint8, copy=False)
        # Read, not mapped: the pages of a map that the system keeps would count as this process's memory.
        rows = math.prod(self.shape[:-1])
        found = np.empty((rows, stop - start), np.uint8)
        for row in range(rows):
            os.preadv(self._store.fileno(), [found[row]], row * len(self) + start)
        return found.reshape(*self.shape[:-1], stop - start)
