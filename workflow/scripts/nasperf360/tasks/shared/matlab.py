"""MATLAB files of versions 4 and 5, with one error for people where they are damaged or lack an array."""

import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat, matlab

from nasperf360.errors import DataError


def read_matlab(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """The named arrays of a MATLAB v4 or v5 file, with their stored types.

    Raises:
        DataError: the file is truncated, is no such file, or lacks one of the arrays.
    """
    try:
        arrays = loadmat(path, variable_names=names)
    except (
        matlab.MatReadError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        NotImplementedError,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path}: cannot be read as a MATLAB v4 or v5 file, it is truncated or damaged ({error})"
        ) from error
    for name in names:
        if name not in arrays:
            raise DataError(f"{path}: holds no array '{name}'")
    return {name: arrays[name] for name in names}


HEADER_TEXT = 116  # bytes of free text at the start of a version 5 file


def without_date(path: str | Path) -> None:
    """Overwrite the time that ``scipy.io.savemat`` writes into a version 5 file: equal content, equal bytes."""
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 5.0 MAT-file, simulated".ljust(HEADER_TEXT))
