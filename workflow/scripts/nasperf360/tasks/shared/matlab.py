"""Arrays of numbers from MATLAB files of every version (4; 5, 6 and 7; 7.3, which is HDF5)."""

import struct
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from nasperf360.data import hdf5
from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.matlab_v5 import HEADER_TEXT, byte_order, matrices

KIND = "a MATLAB file"
_V4_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")


def read_matlab(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """The named arrays of a MATLAB file, in MATLAB's order of axes and types.

    Raises:
        DataError: the file is truncated, damaged or no such file, lacks one of the arrays, or has no numbers there.
    """
    path = Path(path)
    with reading(path, KIND):
        if h5py.is_hdf5(path):
            found = _v73(path, names)
        else:
            arrays = _v5(path, names) if byte_order(path) else _v4(path, names)
            found = dict(arrays)
    for name in names:
        if name not in found:
            raise DataError(f"{path}: holds no array '{name}'")
    return found


def _v5(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    for matrix in matrices(path):
        if matrix.name in names:
            yield matrix.name, matrix.read()


def _v73(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with hdf5.opened(path, KIND) as file:
        return {name: v73_array(file, name)[()].T for name in names if name in file}


def v73_array(file: h5py.File, name: str) -> h5py.Dataset:
    """An array of a file of version 7.3, whose axes HDF5 has in reverse order.

    Raises:
        DataError: there is none, or it holds no numbers.
    """
    found = hdf5.array(file, name)
    if found.attrs.get("MATLAB_empty"):  # its values are the shape then
        raise DataError(f"{file.filename}: '{name}' is empty")
    return found


def _v4(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    size = path.stat().st_size
    with open(path, "rb") as stream:
        while header := stream.read(20):
            order = next((order for order in "<>" if _is_v4(header, order)), None)
            if order is None:
                raise DataError(f"{path}: not a MATLAB file, or a damaged one")
            mopt, rows, columns, imaginary, length = struct.unpack(f"{order}5i", header)
            name = stream.read(length).rstrip(b"\0").decode("latin-1")
            dtype = np.dtype(order + _V4_TYPES[mopt // 10 % 10])
            start, count = stream.tell(), rows * columns
            end = start + count * dtype.itemsize * (1 + imaginary)
            if end > size:
                raise DataError(f"{path}: truncated, {size} bytes of at least {end}")
            if name in names:
                if imaginary or mopt % 10:
                    raise DataError(f"{path}: '{name}' is no array of real or whole numbers")
                flat = np.fromfile(stream, dtype, count)
                yield name, flat.astype(dtype.newbyteorder("="), copy=False).reshape(columns, rows).T
            stream.seek(end)


def _is_v4(header: bytes, order: str) -> bool:
    """Whether 20 bytes are the header of an array in this order of bytes."""
    if len(header) < 20:
        return False
    mopt, rows, columns, imaginary, length = struct.unpack(f"{order}5i", header)
    machine, zero, kind, matrix = mopt // 1000, mopt // 100 % 10, mopt // 10 % 10, mopt % 10
    return (
        (machine, zero) == ("<>".index(order), 0)
        and 0 <= kind < len(_V4_TYPES)
        and 0 <= matrix <= 2
        and min(rows, columns) >= 0
        and imaginary in (0, 1)
        and 0 < length <= 4096
    )


def without_date(path: str | Path) -> None:
    """Overwrite the time that ``scipy.io.savemat`` writes into a version 5 file: equal content, equal bytes."""
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 5.0 MAT-file, simulated".ljust(HEADER_TEXT))
