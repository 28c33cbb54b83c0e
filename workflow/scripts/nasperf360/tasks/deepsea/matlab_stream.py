"""Large MATLAB arrays of bytes (uint8, int8, logical), read in blocks along their first MATLAB axis.

MATLAB stores the first axis fastest, so a C reader sees the axes reversed: ``trainxdata`` of (4400000, 4, 1000) is
(1000, 4, 4400000). Both kinds of file give arrays in that reversed order here: v7.3 is HDF5 and is read in place; v5 is
one long, usually compressed, stream, which is unpacked once to a temporary file, never into memory.
"""

import math
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import h5py
import numpy as np

from nasperf360.errors import DataError

PIECE = 1 << 20  # bytes handled at a time
MATRIX, COMPRESSED, INT8, UINT8 = 14, 15, 1, 2  # data types of the v5 format
BYTE_CLASSES = (8, 9)  # array classes int8 and uint8 of the v5 format; logical arrays are uint8 with a flag


class Matrix(NamedTuple):
    """One array of a v5 file: what its header says."""

    name: str
    shape: tuple[int, ...]  # MATLAB's order
    array_class: int


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
        try:
            if h5py.is_hdf5(self.path):
                self._hdf5 = self._stack.enter_context(h5py.File(self.path, "r"))
        except OSError as error:
            raise DataError(f"{self.path}: damaged or truncated HDF5 ({error})") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

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
        dataset = file.get(key)
        if not isinstance(dataset, h5py.Dataset):
            raise DataError(f"{self.path}: no array '{key}'; it has {', '.join(sorted(file)) or 'none'}")
        if dataset.dtype.itemsize != 1 or dataset.dtype.kind not in "iub":
            raise DataError(f"{self.path}: '{key}' has values of type {dataset.dtype}, expected uint8")
        return ByteArray(self.path, key, dataset.shape, dataset)

    def _from_v5(self, key: str) -> "ByteArray":
        names = []
        for matrix, values in _matrices(self.path):
            names.append(matrix.name)
            if matrix.name != key:
                continue
            if matrix.array_class not in BYTE_CLASSES:
                raise DataError(f"{self.path}: '{key}' is of MATLAB class {matrix.array_class}, expected uint8")
            spill = self._stack.enter_context(tempfile.TemporaryFile(dir=self.scratch))  # noqa: SIM115
            expected, written = math.prod(matrix.shape), 0
            for piece in values:
                written += spill.write(piece)
            if written != expected:
                raise DataError(f"{self.path}: '{key}' holds {written} of {expected} values")
            spill.flush()
            return ByteArray(self.path, key, matrix.shape[::-1], spill)
        raise DataError(f"{self.path}: no array '{key}'; it has {', '.join(names) or 'none'}")


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
            try:
                return self._store[..., start:stop].astype(np.uint8, copy=False)
            except OSError as error:
                raise DataError(f"{self.path}: '{self.key}' is damaged or truncated") from error
        # Read, not mapped: the pages of a map that the system keeps would count as this process's memory.
        rows = math.prod(self.shape[:-1])
        found = np.empty((rows, stop - start), np.uint8)
        for row in range(rows):
            os.preadv(self._store.fileno(), [found[row]], row * len(self) + start)
        return found.reshape(*self.shape[:-1], stop - start)


def _matrices(path: Path) -> Iterator[tuple[Matrix, Iterator[bytes]]]:
    """The arrays of a v5 file: header, and the bytes of its values in pieces (taken before the next array, or not)."""
    with open(path, "rb") as stream:
        header = stream.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
        if order is None:
            raise DataError(f"{path}: not a MATLAB v5 or v7.3 file")
        size = path.stat().st_size
        while tag := stream.read(8):
            if len(tag) < 8:
                raise DataError(f"{path}: truncated")
            kind, length = struct.unpack(order + "II", tag)
            end = stream.tell() + length
            if end > size:
                raise DataError(f"{path}: truncated, {size} bytes of at least {end}")
            if kind in (MATRIX, COMPRESSED):
                element = _Element(path, stream, length, order, compressed=kind == COMPRESSED)
                yield element.matrix(), element.values()
            stream.seek(end)


class _Element:
    """One top-level element of a v5 file, decompressed on the way."""

    def __init__(self, path: Path, stream: IO[bytes], length: int, order: str, *, compressed: bool):
        self.path, self.order = path, order
        self._stream, self._left = stream, length
        self._inflate = zlib.decompressobj() if compressed else None

    def matrix(self) -> Matrix:
        """The header of the array; call once, first."""
        if self._inflate is not None:
            self._tag()  # of the matrix inside
        flags = self._small_element()
        shape = np.frombuffer(self._small_element(), dtype=self.order + "i4")
        name = self._small_element().decode("latin-1")
        (array_class,) = struct.unpack(self.order + "I", flags[:4])
        return Matrix(name, tuple(int(side) for side in shape), array_class & 0xFF)

    def values(self) -> Iterator[bytes]:
        """The bytes of the array's values, in pieces; after :meth:`matrix`."""
        kind, length, data = self._tag()
        if kind not in (INT8, UINT8):
            raise DataError(f"{self.path}: values stored as MATLAB type {kind}, expected bytes")
        if data:
            yield data
            return
        while length and (piece := self._read(min(PIECE, length))):
            length -= len(piece)
            yield piece

    def _tag(self) -> tuple[int, int, bytes]:
        """Type and size of the next part; the third value holds its data where they fit in the tag (4 bytes)."""
        raw = self._exactly(8)
        kind, length = struct.unpack(self.order + "II", raw)
        if kind >> 16:  # size and type share the first four bytes
            return kind & 0xFFFF, kind >> 16, raw[4 : 4 + (kind >> 16)]
        return kind, length, b""

    def _small_element(self) -> bytes:
        _, length, data = self._tag()
        if data or not length:
            return data
        if length > 4096:
            raise DataError(f"{self.path}: damaged header of an array")
        return self._exactly(length + -length % 8)[:length]

    def _exactly(self, count: int) -> bytes:
        data = self._read(count)
        if len(data) < count:
            raise DataError(f"{self.path}: truncated inside an array")
        return data

    def _read(self, count: int) -> bytes:
        """``count`` bytes, fewer only at the end."""
        parts = []
        while count and (part := self._some(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _some(self, count: int) -> bytes:
        """1 to ``count`` bytes; none at the end."""
        if self._inflate is None:
            return self._stored(count)
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._stored(PIECE)
            try:
                out = self._inflate.decompress(data, count)
            except zlib.error as error:
                raise DataError(f"{self.path}: its compressed data are damaged ({error})") from error
            if out or not data:
                return out
        return b""

    def _stored(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left))
        self._left -= len(data)
        return data
