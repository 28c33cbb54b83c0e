"""DeepSEA from ``deepsea_filtered.npz``: the sequences and the 36 labels that the benchmark chose, one byte a value."""

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.tasks.deepsea.data import ROWS, append, open_split
from nasperf360.tasks.deepsea.spec import LENGTH, SELECTED, PreprocessSettings
from nasperf360.tasks.shared.npz_stream import NpzFile

PARTS = {"train": "train", "valid": "val", "test": "test"}  # names of splits here and in the file
SAMPLES = {"train": 71_753, "valid": 2_490, "test": 149_400}
FIXED = ("columns", "train_fraction", "keep_negatives")


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """All sequences, with bases first; ``length`` of their bases."""
    path = raw.one("sequences", "deepsea_filtered.npz").path
    with NpzFile(path) as arrays:
        for name, part in PARTS.items():
            x, y = arrays.bytes(f"x_{part}", LENGTH, 4), arrays.bytes(f"y_{part}", SELECTED)
            if len(x) != len(y):
                raise DataError(f"{path}: {len(x)} sequences in 'x_{part}', but labels for {len(y)} in 'y_{part}'")
            split = open_split(writer, name, options.length, path)
            for sequences, labels in zip(x.blocks(ROWS), y.blocks(ROWS), strict=True):
                append(split, path, f"x_{part}", sequences.transpose(0, 2, 1), labels, options.length)
