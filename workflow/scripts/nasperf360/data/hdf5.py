"""HDF5 that others wrote, checked before it is read: arrays of numbers, in the file itself and no larger than it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from nasperf360.data.reading import check_size, reading
from nasperf360.errors import DataError

NUMBERS = "biuf"
"""Kinds of numpy types: truth values, whole numbers, real numbers."""


@contextmanager
def opened(path: str | Path, kind: str = "an HDF5 file") -> Iterator[h5py.File]:
    """The file, for reading.

    Args:
        path: the file.
        kind: what it should be.

    Raises:
        DataError: it is damaged, or no such file.
    """
    with reading(path, kind):
        file = h5py.File(path, "r", locking=False)
    with file:
        yield file


def group(file: h5py.File, key: str) -> h5py.Group:
    """A group right below the root.

    Raises:
        DataError: there is none of that name, or a link stands in its place.
    """
    with reading(file.filename, "an HDF5 file"):
        found = _own(file, key)
    if not isinstance(found, h5py.Group):
        raise DataError(f"{file.filename}: no group '{key}'; it has {_listed(file)}")
    return found


def array(parent: h5py.Group, key: str) -> h5py.Dataset:
    """An array of numbers of a group.

    Raises:
        DataError: there is none of that name, it lies in another file, it is no array of numbers, or it is said to be
            larger than the file can hold.
    """
    path = parent.file.filename
    with reading(path, "an HDF5 file"):
        found = _own(parent, key)
        if not isinstance(found, h5py.Dataset):
            raise DataError(f"{path}: no array '{key}'; it has {_listed(parent)}")
        if found.external or found.is_virtual:
            raise DataError(f"{path}: the values of '{key}' lie in another file, which is refused")
        if found.dtype.kind not in NUMBERS or found.dtype.subdtype or found.shape is None:
            raise DataError(f"{path}: '{key}' has values of type {found.dtype}, real or whole numbers are expected")
        if found.size:
            stored = found.id.get_storage_size()
            if not stored:
                raise DataError(f"{path}: '{key}' of shape {found.shape} holds no values")
            declared = max(found.size, math.prod(found.chunks or ())) * found.dtype.itemsize
            check_size(path, f"'{key}' of shape {found.shape}", declared, min(stored, Path(path).stat().st_size))
        return found


def _own(parent: h5py.Group, key: str) -> h5py.Group | h5py.Dataset | None:
    """A member of a group that lies in the file itself, under this very name."""
    link = None if "/" in key else parent.get(key, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise DataError(f"{parent.file.filename}: '{key}' is a link to elsewhere, which is refused")
    return parent[key]


def _listed(parent: h5py.Group) -> str:
    return ", ".join(sorted(parent)[:20]) or "nothing"
