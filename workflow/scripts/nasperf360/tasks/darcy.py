"""Darcy flow: pressure of a steady flow through a two-valued medium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasperf360.errors import DataError, UserError
from nasperf360.readers.matlab import read_matlab
from nasperf360.tasks.base import Metric, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nasperf360.data.datasets import DatasetWriter, Split
    from nasperf360.data.raw import RawFile, RawFiles
    from nasperf360.tasks.base import Batch

BLOCK = 64  # rows checked and written at a time

OPTIONS: Mapping[str, Any] = {}


class Darcy(Task):
    """Coefficient and solution on a grid of s x s points; relative l2 after undoing the normalisation of the target.

    Stored: ``x`` coefficient and ``y`` solution, raw, both (1, s, s) float32. Reference code,
    backbone/data_utils and utils_grid.py: pointwise normalisation of both, two coordinate channels, loss summed over
    the batch.
    """

    name = "darcy"
    title = "Darcy Flow"
    objective = "Predict the steady pressure of a fluid from the permeability of its medium"
    published_size = "1.1K"
    dimensions = 2
    kind = "dense"
    outputs = 1
    metric = Metric("relative l2", higher_is_better=False)
    raw = "darcy"

    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """Write the rows that each file's options assign to splits, every ``stride``-th point in both directions.

        The options of a file of role ``solutions`` are ``rows`` (split: [first, one past the last]) and ``stride``.
        """
        splits = {}
        for file in raw.all("solutions", ".mat"):
            rows = file.options["rows"]
            fields = [read_mat(file, name, rows, file.options["stride"]) for name in ("coeff", "sol")]
            if fields[0].keys() != fields[1].keys():
                raise DataError(f"{file.path}: 'coeff' and 'sol' differ in their number of rows")
            for split in rows:
                x, y = (field[split] for field in fields)
                if x.shape != y.shape:
                    raise DataError(f"{file.path}: 'coeff' has shape {x.shape} for {split}, 'sol' {y.shape}")
                if not np.abs(y).reshape(len(y), -1).any(axis=1).all():
                    raise DataError(
                        f"{file.path}: a solution of {split} is zero everywhere; relative errors need others"
                    )
                if split not in splits:
                    splits[split] = writer.split(
                        split, x=(x.shape[1:], "float32"), y=(y.shape[1:], "float32"), source=file.path
                    )
                for start in range(0, len(x), BLOCK):
                    block = slice(start, start + BLOCK)
                    splits[split].append(source=file.path, x=x[block], y=y[block])

    def fit(self, train: Split) -> None:
        """Mean and unbiased standard deviation of every point over the training rows."""
        if len(train) < 2:
            raise UserError(f"darcy: {len(train)} training row; the normalisation needs two or more")
        self._x = Normaliser(train.load("x"))
        self._y = Normaliser(train.load("y"))

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(3, s, s): the coefficient and two coordinates."""
        return (3, *sample_shape[1:])

    def inputs(self, batch: Batch) -> Tensor:
        """Normalised coefficient and the coordinates along columns and along rows, from 0 to 1."""
        import torch

        x = self._x.encode(batch["x"])
        rows, columns = (torch.linspace(0, 1, size, device=x.device) for size in x.shape[2:])
        down, right = torch.meshgrid(rows, columns, indexing="ij")
        coordinates = torch.stack([right, down]).expand(len(x), -1, -1, -1)
        return torch.cat([x, coordinates], dim=1)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Sum over the batch of the relative l2 error of the solution in its own units."""
        y = batch["y"].flatten(1)
        error = self._y.decode(output).flatten(1) - y
        return (error.norm(dim=1) / y.norm(dim=1)).sum()

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Solutions in their own units, (B, 1, s, s)."""
        return self._y.decode(model(self.inputs(batch)))

    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean relative l2 error over samples."""
        y = extras["y"].reshape(len(outputs), -1).astype(np.float64)
        error = outputs.reshape(len(outputs), -1) - y
        relative = np.linalg.norm(error, axis=1) / np.linalg.norm(y, axis=1)
        return {"value": float(relative.mean()), "worst": float(relative.max())}


class Normaliser:
    """Pointwise standardisation, learned from samples (n, 1, s, s); works on the device of what it is given."""

    epsilon = 1e-5  # as published: it matters, for the solution's deviation is about 1.6e-3

    def __init__(self, samples: np.ndarray):
        import torch

        self.mean = torch.from_numpy(samples.mean(axis=0, dtype=np.float64).astype(np.float32))
        deviation = samples.std(axis=0, ddof=1, dtype=np.float64) + self.epsilon
        self.deviation = torch.from_numpy(deviation.astype(np.float32))

    def encode(self, values: Tensor) -> Tensor:
        """To mean 0 and deviation 1 at each point."""
        return (values - self.mean.to(values.device)) / self.deviation.to(values.device)

    def decode(self, values: Tensor) -> Tensor:
        """Back to the units of the samples."""
        return values * self.deviation.to(values.device) + self.mean.to(values.device)


def read_mat(file: RawFile, name: str, rows: Mapping[str, list[int]], stride: int) -> dict[str, np.ndarray]:
    """The rows of one variable (N, R, R) of a MAT file, by split: (n, 1, s, s) float32, s = (R - 1) / stride + 1.

    Reads v5 and, by h5py, v7.3, whose axes are reversed.

    Raises:
        DataError: unreadable, no such variable, not (N, R, R), fewer rows than asked for, R - 1 no multiple of stride.
    """
    import h5py

    path = file.path
    if not h5py.is_hdf5(path):
        return select(path, name, read_matlab(path, name)[name], rows, stride)
    try:
        with h5py.File(path, "r") as stream:
            return select(path, name, stream.get(name), rows, stride, reverse=True)
    except OSError as error:
        raise DataError(f"{path}: not a readable MAT v7.3 file ({error}); delete it to fetch it again") from error


def select(
    path: Any, name: str, array: Any, rows: Mapping[str, list[int]], stride: int, reverse: bool = False
) -> dict[str, np.ndarray]:
    """Rows and points of an array in memory or on disk; see :func:`read_mat`."""
    if array is None:
        raise DataError(f"{path}: no array '{name}'")
    shape = array.shape[::-1] if reverse else array.shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise DataError(f"{path}: '{name}' has shape {shape}, expected (N, R, R)")
    if (shape[1] - 1) % stride:
        raise DataError(
            f"{path}: '{name}' has {shape[1]} points a side; less one is no multiple of the stride {stride}"
        )
    chosen = {}
    for split, (start, stop) in rows.items():
        if not 0 <= start < stop <= shape[0]:
            raise DataError(f"{path}: rows {start} to {stop} for {split}, but '{name}' has {shape[0]}")
        values = array[::stride, ::stride, start:stop].T if reverse else array[start:stop, ::stride, ::stride]
        chosen[split] = np.ascontiguousarray(values, dtype=np.float32)[:, None]
    return chosen


TASK = Darcy
