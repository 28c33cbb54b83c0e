"""Large arrays of bytes in an archive of numpy (``.npz``), read in blocks of rows where these lie together."""

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.arrays import read_header

KIND = "an archive of numpy arrays"


class NpzFile:
    """Context manager over one ``.npz`` file."""

    def __init__(self, path: Path):
        self.path = path
        self._stack = ExitStack()

    def __enter__(self) -> "NpzFile":
        with reading(self.path, KIND):
            self._archive = self._stack.enter_context(zipfile.ZipFile(self.path))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def bytes(self, key: str, *row: int) -> "ByteRows":
        """The array ``key``, whose shape must be ``(N, *row)``, of one byte a value.

        Raises:
            DataError: it is missing, of another shape or type, or the file is damaged.
        """
        with reading(self.path, KIND):
            names = [name.removesuffix(".npy") for name in self._archive.namelist()]
            if key not in names:
                raise DataError(f"{self.path}: no array '{key}'; it has {', '.join(names[:20]) or 'none'}")
            stream = self._stack.enter_context(self._archive.open(f"{key}.npy"))
            shape, fortran, dtype = read_header(stream)
            stored = self._archive.getinfo(f"{key}.npy").file_size - stream.tell()
        if shape[1:] != row or not shape[:1] or dtype.itemsize != 1 or dtype.kind not in "biu":
            expected = f"({', '.join(['N', *map(str, row)])})"
            raise DataError(f"{self.path}: '{key}' is {dtype} {shape}, expected one byte a value and {expected}")
        if stored != math.prod(shape):
            raise DataError(f"{self.path}: '{key}' has {stored} bytes of {math.prod(shape)}; it is damaged")
        if fortran:  # rows do not lie together: the array is read whole, and turned
            with reading(self.path, KIND):
                turned = np.frombuffer(stream.read(), np.uint8).reshape(shape[::-1]).T
            stream = io.BytesIO(turned.tobytes())
        return ByteRows(self.path, shape, stream)


class ByteRows:
    """An array of bytes in a stream, samples first; to be read once."""

    def __init__(self, path: Path, shape: tuple[int, ...], stream: IO[bytes]):
        self.path, self.shape, self._stream = path, shape, stream

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        """Blocks of so many rows, the last one of the rest, uint8.

        Raises:
            DataError: the file is damaged.
        """
        width = math.prod(self.shape[1:])
        for start in range(0, len(self), rows):
            count = min(rows, len(self) - start)
            with reading(self.path, KIND):
                content = self._stream.read(count * width)
                block = np.frombuffer(content, np.uint8).reshape(count, *self.shape[1:])
            yield block
