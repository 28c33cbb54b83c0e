"""Arrays in raw files: plain ones of numpy, such as hold a pickle, and labels among them."""

from pathlib import Path
from typing import IO, Any

import numpy as np

from nasperf360.data.reading import reading
from nasperf360.errors import DataError
from nasperf360.tasks.shared.pickles import read_pickle

KIND = "an array of numpy"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path) -> np.ndarray:
    """An array of numbers, mapped rather than read.

    Raises:
        DataError: truncated, or not such a file.
    """
    with reading(path, KIND):
        with open(path, "rb") as stream:
            np.lib.format.read_magic(stream)  # np.load would take an archive or a pickle too
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: values of type {array.dtype}, real or whole numbers are expected")
    return array


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis is the fastest, and type of an array; its values follow in the stream."""
    version = np.lib.format.read_magic(stream)
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = _HEADERS[version](stream)
    return header


def read_objects(path: Path, shape: tuple[int, ...], what: str, encoding: str) -> Any:
    """An array of objects, which numpy saves as a pickle.

    Args:
        path: the file.
        shape: that it must have.
        what: the objects, for messages.
        encoding: see :func:`pickles.load_arrays`.

    Raises:
        DataError: truncated, not such a file, of another shape, or its pickle asks for more than arrays.
    """
    with reading(path, KIND), open(path, "rb") as stream:
        found, _, dtype = read_header(stream)
        if found != shape or not dtype.hasobject:
            raise DataError(f"{path}: {dtype} of shape {found}, expected {what}")
        return read_pickle(path, stream, encoding)


def check_shape(path: Path, what: str, array: Any, kinds: str, *shape: int | None) -> np.ndarray:
    """An array, checked.

    Args:
        path: its file.
        what: its name there.
        array: of any type.
        kinds: of the types of numpy that it may have: ``iuf`` or ``u``.
        shape: None for any size.

    Raises:
        DataError: it is no such array.
    """
    expected = f"({', '.join('N' if size is None else str(size) for size in shape)}{',' if len(shape) == 1 else ''})"
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {what} is a {type(array).__name__}, expected an array {expected}")
    fits = len(array.shape) == len(shape) and all(
        size is None or size == side for size, side in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        words = {"iuf": "numbers", "u": "uint8"}[kinds]
        raise DataError(f"{path}: {what} is {array.dtype} {array.shape}, expected {words} {expected}")
    return array


def check_labels(path: Path, what: str, labels: Any, count: int, low: int, high: int) -> np.ndarray:
    """Labels (count,) of whole numbers from ``low`` to ``high``, as int64 from 0; they may be stored as real numbers.

    Raises:
        DataError: they are no such labels.
    """
    with reading(path, "labels"):  # ragged lists, say
        array = np.asarray(labels)
    array = check_shape(path, what, array, "iuf", count)
    if array.size and not ((array >= low) & (array <= high) & (array % 1 == 0)).all():
        raise DataError(
            f"{path}: {what} holds {array.min()} to {array.max()}, expected whole numbers from {low} to {high}"
        )
    return array.astype(np.int64) - low
