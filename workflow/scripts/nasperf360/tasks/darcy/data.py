"""Darcy Flow from MATLAB files: ``x`` coefficient and ``y`` solution, raw, both (1, s, s) float32."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from nasperf360.data import hdf5
from nasperf360.data.datasets import DatasetWriter, SplitWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import reading
from nasperf360.errors import DataError, UserError
from nasperf360.settings.declaration import NoSettings
from nasperf360.tasks.darcy.spec import SolutionsOptions
from nasperf360.tasks.shared.file_options import file_options
from nasperf360.tasks.shared.matlab import KIND, v73_array
from nasperf360.tasks.shared.matlab_v5 import matrices

BLOCK = 64  # rows checked and written at a time


def preprocess(raw: RawFiles, writer: DatasetWriter, options: NoSettings) -> None:
    """Write the rows that each file's options assign to splits, every ``stride``-th point in both directions.

    The options of a file of role ``solutions`` are ``rows`` (split: [first, one past the last]) and ``stride``.
    """
    splits: dict[str, SplitWriter] = {}
    files = raw.all("solutions", "*.mat")
    options_of = {file.path: file_options(file, SolutionsOptions) for file in files}
    given = {split for of_file in options_of.values() for split in of_file.rows}
    if absent := [name for name in ("train", "valid", "test") if name not in given]:
        raise UserError(f"{files[0].path}: no file has rows for {absent[0]}; add to 'rows' in the sources file")
    for file in files:
        rows = {str(split): first_and_end for split, first_and_end in options_of[file.path].rows.items()}
        stride = options_of[file.path].stride
        fields = [read_mat(file.path, name, rows, stride) for name in ("coeff", "sol")]
        if fields[0].keys() != fields[1].keys():
            raise DataError(f"{file.path}: 'coeff' and 'sol' differ in their number of rows")
        for split in rows:
            x, y = (field[split] for field in fields)
            if x.shape != y.shape:
                raise DataError(f"{file.path}: 'coeff' has shape {x.shape} for {split}, 'sol' {y.shape}")
            if not y.reshape(len(y), -1).any(axis=1).all():
                raise DataError(f"{file.path}: a solution of {split} is zero everywhere; relative errors need others")
            if split not in splits:
                splits[split] = writer.split(
                    split, x=(x.shape[1:], "float32"), y=(y.shape[1:], "float32"), source=file.path
                )
            for start in range(0, len(x), BLOCK):
                block = slice(start, start + BLOCK)
                splits[split].append(source=file.path, x=x[block], y=y[block])


def read_mat(path: Path, name: str, rows: Mapping[str, list[int]], stride: int) -> dict[str, np.ndarray]:
    """The rows of one variable (N, R, R) of a MAT file, by split: (n, 1, s, s) float32, s = (R - 1) / stride + 1.

    Reads v5 and, by h5py, v7.3, whose axes are reversed. Besides these points, a column of points of all rows is in
    memory of v5, and the rows of a split in double precision of v7.3.

    Raises:
        DataError: unreadable, no such variable, not (N, R, R).
        UserError: fewer rows than asked for, R - 1 no multiple of stride.
    """
    with reading(path, KIND), np.errstate(over="ignore", invalid="ignore"):  # infinity is refused when it is written
        if h5py.is_hdf5(path):
            with hdf5.opened(path, KIND) as file:
                array = v73_array(file, name)
                chosen = _empty(path, name, array.shape[::-1], rows, stride)
                for split, (start, stop) in rows.items():
                    chosen[split][:, 0] = array[::stride, ::stride, start:stop].T
                return chosen
        for matrix in matrices(path):
            if matrix.name == name:
                columns = matrix.slabs()
                chosen = _empty(path, name, matrix.shape, rows, stride)
                for column, fields in enumerate(columns):
                    for split, (start, stop) in rows.items():
                        if column % stride == 0:
                            chosen[split][:, 0, :, column // stride] = fields[start:stop, ::stride]
                return chosen
    raise DataError(f"{path}: holds no array '{name}'")


def _empty(
    path: Path, name: str, shape: tuple[int, ...], rows: Mapping[str, list[int]], stride: int
) -> dict[str, np.ndarray]:
    """Arrays for the chosen rows and points of an array of this shape; see :func:`read_mat`."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise DataError(f"{path}: '{name}' has shape {shape}, expected (N, R, R)")
    if (shape[1] - 1) % stride:
        raise UserError(
            f"{path}: '{name}' has {shape[1]} points a side; less one is no multiple of the stride {stride}; "
            f"correct its option 'stride' in the sources file"
        )
    for split, (start, stop) in rows.items():
        if not 0 <= start < stop <= shape[0]:
            raise UserError(
                f"{path}: rows {start} to {stop} for {split}, but '{name}' has {shape[0]}; "
                f"correct its option 'rows' in the sources file"
            )
    side = (shape[1] - 1) // stride + 1
    return {split: np.empty((stop - start, 1, side, side), np.float32) for split, (start, stop) in rows.items()}
