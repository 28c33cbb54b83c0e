"""The tags of MATLAB files of version 5 (and of 6 and 7, which are the same): header and values of each array.

Our own, since ``scipy.io.loadmat`` ends the process with a segmentation fault at some damaged tags, and takes a whole
array into memory. Format: "MAT-File Format", MathWorks, version 5.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from nasperf360.data.reading import LARGEST_RATIO
from nasperf360.errors import DataError

PIECE = 1 << 20  # bytes handled at a time
HEADER = 128  # bytes before the first element; the last two tell the order of bytes
HEADER_TEXT = 116  # of them free text
_ORDERS = {b"IM": "<", b"MI": ">"}
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_MOST_AXES, _LONGEST_PART = 32, 4096  # of an array, of a part of its header


def byte_order(path: Path) -> str | None:
    """``<`` or ``>``; None where this is no file of version 5."""
    with open(path, "rb") as stream:
        return _ORDERS.get(stream.read(HEADER)[-2:])


def matrices(path: Path) -> Iterator["Matrix"]:
    """The arrays of a file; the values of each must be taken before the next array, or not at all.

    Raises:
        DataError: the file is truncated or damaged, or of another version.
    """
    order = byte_order(path)
    if order is None:
        raise DataError(f"{path}: not a MATLAB file of version 5, 6, 7 or 7.3")
    size = path.stat().st_size
    with open(path, "rb") as stream:
        stream.seek(HEADER)
        while tag := stream.read(8):
            if len(tag) < 8:
                raise DataError(f"{path}: truncated")
            kind, length = struct.unpack(order + "II", tag)
            end = stream.tell() + length
            if end > size:
                raise DataError(f"{path}: truncated, {size} bytes of at least {end}")
            if kind in (_MATRIX, _COMPRESSED):
                yield Matrix(_Element(path, stream, length, order, compressed=kind == _COMPRESSED))
            stream.seek(end)


class Matrix:
    """One array: its header, checked, and its values.

    Raises:
        DataError: the header is damaged.
    """

    def __init__(self, element: "_Element"):
        self._element, self.path = element, element.path
        flags, shape, name = element.header()
        self.name = name.decode("latin-1")
        if len(flags) < 4 or len(shape) % 4 or not 2 <= len(shape) // 4 <= _MOST_AXES:
            raise DataError(f"{self.path}: damaged header of an array")
        (word,) = struct.unpack(element.order + "I", flags[:4])
        self.array_class, self._is_complex = word & 0xFF, bool(word & _COMPLEX)
        self.shape = tuple(int(side) for side in np.frombuffer(shape, element.order + "i4"))  # MATLAB's order
        if min(self.shape) < 0:
            raise DataError(f"{self.path}: '{self.name}' has the shape {self.shape}; it is damaged")

    @property
    def dtype(self) -> np.dtype:
        """The type of its values in MATLAB.

        Raises:
            DataError: they are no real numbers.
        """
        self._refuse_others()
        return np.dtype(_CLASSES[self.array_class])

    def _refuse_others(self) -> None:
        if self.array_class not in _CLASSES or self._is_complex:
            kind = "complex numbers" if self._is_complex else f"values of MATLAB's class {self.array_class}"
            raise DataError(f"{self.path}: '{self.name}' holds {kind}, an array of real or whole numbers is expected")

    def pieces(self) -> tuple[np.dtype, Iterator[bytes]]:
        """The type in which the values are stored, often a smaller one, and their bytes, first axis fastest.

        Raises:
            DataError: they are no real numbers, or not as many as the shape says.
        """
        self._refuse_others()
        expected = math.prod(self.shape)
        kind, length, data = self._element.tag()
        if kind not in _STORED:
            raise DataError(f"{self.path}: '{self.name}' has values of an unknown type {kind}; it is damaged")
        stored = np.dtype(self._element.order + _STORED[kind])
        if length != expected * stored.itemsize or length > self._element.at_most:
            raise DataError(
                f"{self.path}: '{self.name}' has {length} bytes for {expected} values of {stored.itemsize}; it is "
                f"truncated or damaged"
            )
        return stored, self._element.bytes_of(length, data)

    def read(self) -> np.ndarray:
        """The whole array, in MATLAB's type and shape.

        Raises:
            DataError: see :meth:`pieces`.
        """
        stored, pieces = self.pieces()
        flat = np.empty(math.prod(self.shape), stored)
        view, filled = flat.view(np.uint8), 0
        for piece in pieces:
            view[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        return flat.astype(self.dtype, copy=False).reshape(self.shape[::-1]).T

    def slabs(self) -> Iterator[np.ndarray]:
        """The array in parts along its last axis, each without that axis and in MATLAB's type, one after the other;
        none of an empty array.

        Raises:
            DataError: see :meth:`pieces`; at once, so that a shape that the file has not the bytes for is refused.
        """
        return self._slabs(*self.pieces())

    def _slabs(self, stored: np.dtype, pieces: Iterator[bytes]) -> Iterator[np.ndarray]:
        shape, waiting = self.shape[:-1], bytearray()
        size = math.prod(shape) * stored.itemsize
        for piece in pieces:
            waiting += piece
            while 0 < size <= len(waiting):
                flat = np.frombuffer(bytes(waiting[:size]), stored)
                yield flat.astype(self.dtype, copy=False).reshape(shape[::-1]).T
                del waiting[:size]


class _Element:
    """One top-level element of a file, decompressed on the way."""

    def __init__(self, path: Path, stream: IO[bytes], length: int, order: str, *, compressed: bool):
        self.path, self.order = path, order
        self.at_most = length * (LARGEST_RATIO if compressed else 1)  # bytes that it can hold
        self._stream, self._left = stream, length
        self._inflate = zlib.decompressobj() if compressed else None

    def header(self) -> tuple[bytes, bytes, bytes]:
        """Flags, shape and name of the array; call once, first."""
        if self._inflate is not None:
            self.tag()  # of the matrix inside
        return self._small_part(), self._small_part(), self._small_part()

    def bytes_of(self, length: int, data: bytes) -> Iterator[bytes]:
        """The bytes of a part, in pieces: those in its tag, else what follows it."""
        if data:
            yield data[:length]
            return
        while length:
            piece = self._exactly(min(PIECE, length))
            length -= len(piece)
            yield piece

    def tag(self) -> tuple[int, int, bytes]:
        """Type and size of the next part; the third value holds its data where they fit in the tag (4 bytes)."""
        raw = self._exactly(8)
        kind, length = struct.unpack(self.order + "II", raw)
        if kind >> 16:  # size and type share the first four bytes
            if kind >> 16 > 4:
                raise DataError(f"{self.path}: damaged header of an array")
            return kind & 0xFFFF, kind >> 16, raw[4 : 4 + (kind >> 16)]
        return kind, length, b""

    def _small_part(self) -> bytes:
        _, length, data = self.tag()
        if data or not length:
            return data
        if length > _LONGEST_PART:
            raise DataError(f"{self.path}: damaged header of an array")
        return self._exactly(length + -length % 8)[:length]

    def _exactly(self, count: int) -> bytes:
        parts, missing = [], count
        while missing and (part := self._some(missing)):
            parts.append(part)
            missing -= len(part)
        if missing:
            raise DataError(f"{self.path}: truncated inside an array")
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
