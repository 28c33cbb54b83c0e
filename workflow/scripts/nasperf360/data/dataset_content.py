"""The content of a processed data set against its manifest: splits, fields, shapes, types, labels, and no links."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nasperf360.data import hdf5
from nasperf360.data.reading import reading
from nasperf360.errors import DataError

BLOCK_BYTES = 16 << 20
KIND = "a data set"


def check_content(path: Path, manifest: Mapping[str, Any], classes: int | None, mend: str) -> None:
    """Compare a file with its manifest, which is checked already.

    Args:
        path: of the HDF5 file.
        manifest: what it should hold.
        classes: how many values labels take; None if that is not known.
        mend: the sentence's end.

    Raises:
        DataError: it holds something else, values that are no finite numbers, or labels beyond the classes.
    """
    with reading(path, KIND), hdf5.opened(path, KIND) as file:
        try:
            _same_names(file, "splits", manifest["splits"])
            for name, split in manifest["splits"].items():
                group = hdf5.group(file, name)
                _same_names(group, f"fields of '{name}'", split["fields"])
                for field, said in split["fields"].items():
                    array = hdf5.array(group, field)
                    here = {"samples": array.shape[0] if array.shape else None, "shape": list(array.shape[1:])}
                    here["dtype"] = str(array.dtype)
                    if here != {"samples": split["samples"], **{key: said[key] for key in ("shape", "dtype")}}:
                        raise DataError(f"{path}: '{name}/{field}' is {here}, but the manifest says otherwise")
                    _check_values(array, f"{path}: '{name}/{field}'", classes if field == "y" else None)
        except DataError as error:
            raise DataError(f"{error}; {mend}") from error


def _same_names(group: h5py.Group, what: str, said: Mapping[str, Any]) -> None:
    if set(group) != set(said):
        raise DataError(
            f"{group.file.filename}: its {what} are {', '.join(sorted(group)[:20]) or 'none'}, but the manifest says "
            f"{', '.join(sorted(said))}"
        )


def _check_values(array: h5py.Dataset, where: str, classes: int | None) -> None:
    whole = array.dtype.kind in "iub"
    if whole and classes is None:
        return
    rows = max(1, BLOCK_BYTES // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        values = array[start : start + rows]
        if not whole and not np.isfinite(values).all():
            raise DataError(f"{where} holds NaN or infinity")
        if whole and (values.min() < 0 or values.max() >= (classes or 0)):
            raise DataError(
                f"{where} holds labels {values.min()} to {values.max()}, allowed are 0 to {(classes or 0) - 1}"
            )
