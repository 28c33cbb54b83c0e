"""NinaPro from windows that the benchmark cut: ``ninapro_{train,val,test}.npy``, ``label_{train,val,test}.npy``."""

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.tasks.ninapro.data import WINDOW, write_split
from nasperf360.tasks.ninapro.spec import CHANNELS, SPEC, PreprocessSettings
from nasperf360.tasks.shared.arrays import check_labels, check_shape, read_npy

PARTS = {"train": "train", "valid": "val", "test": "test"}  # names of splits here and in the files
SAMPLES = {"train": 2_638, "valid": 659, "test": 659}
FIXED = ("windows",)


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Windows (N, 52, 16) with channels first, and their labels."""
    for split, part in PARTS.items():
        path, labelled = raw.one("windows", f"ninapro_{part}.npy").path, raw.one("labels", f"label_{part}.npy").path
        windows = check_shape(path, "its array", read_npy(path), "iuf", None, WINDOW, CHANNELS)
        labels = check_labels(labelled, "its array", read_npy(labelled), len(windows), 0, SPEC.outputs - 1)
        write_split(writer, split, windows.transpose(0, 2, 1)[:, None].astype(np.float32), labels, path)
