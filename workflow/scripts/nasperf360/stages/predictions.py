"""``predictions.h5``: what a trained network says of each sample of the final test split. ``scoring.py`` reads it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nasperf360.files import atomic_path

CHUNK_BYTES = 1 << 20


def write_predictions(path: str | Path, outputs: np.ndarray, record: Mapping[str, Any]) -> None:
    """Write predictions atomically, the same bytes for the same predictions.

    Args:
        path: of the file.
        outputs: samples first, in the split's order, float32.
        record: what a result says of the training: names, sizes, ``samples``, ``simulated``, ``provenance``.

    Raises:
        UserError: the disk is full, or the user's quota.
    """
    chunk = (int(np.clip(CHUNK_BYTES // outputs[0].nbytes, 1, len(outputs))), *outputs.shape[1:])
    # In memory: on a full disk HDF5 ends the process when it closes the file.
    with h5py.File(path, "w", libver="latest", driver="core", backing_store=False) as file:
        file.create_dataset("outputs", data=outputs, chunks=chunk, dtype="float32", compression="gzip", shuffle=True)
        file.attrs["record"] = json.dumps(record, sort_keys=True, allow_nan=False)
        file.flush()
        image = file.id.get_file_image()
    with atomic_path(path) as partial:
        partial.write_bytes(image)
