"""Samples of different sizes in one field, each stored at its own: HDF5 fills up what was never written when it reads.

So readers get whole samples and know nothing of it; nor does ``datasets.py``, on which every training rests.
"""

from typing import Any

import h5py
import numpy as np

from nasperf360.data.datasets import SplitWriter

TILE = 64  # rows and columns of what is stored or not


def store_true_size(split: SplitWriter, **fills: float) -> None:
    """Have fields of a split, to which nothing was appended yet, stored without the padding at their ends.

    Args:
        split: being written.
        fills: of fields of shape (channels, height, width), the value of the padding; smaller ones than a tile stay.
    """
    for name, fill in fills.items():
        field, group = split._datasets[name], split._datasets[name].parent
        channels, height, width = field.shape[1:]
        if max(height, width) <= TILE:
            continue
        shape, dtype = field.shape, field.dtype
        del group[name]
        tiled = group.create_dataset(
            name,
            shape=shape,
            maxshape=(None, *shape[1:]),
            chunks=(1, channels, min(TILE, height), min(TILE, width)),
            dtype=dtype,
            fillvalue=fill,
        )
        split._datasets[name] = _TrueSize(tiled.id)


class _TrueSize(h5py.Dataset):
    """Takes rows as any other, but writes of each only the corner that holds more than the fill value."""

    def __setitem__(self, place: Any, values: Any) -> None:
        fill = np.full((), self.fillvalue, self.dtype)
        for row, sample in enumerate(values, place.start):
            written = sample.view(f"u{self.dtype.itemsize}") != fill.view(f"u{self.dtype.itemsize}")  # -0 is not 0
            height, width = (_end(written.any(axis=axes)) for axes in ((0, 2), (0, 1)))
            if height:
                super().__setitem__((row, slice(None), slice(height), slice(width)), sample[:, :height, :width])


def _end(written: np.ndarray) -> int:
    """How many of a row's values there are up to the last that is written."""
    found = np.flatnonzero(written)
    return int(found[-1]) + 1 if len(found) else 0
