"""DeepSEA: which chromatin features does a piece of DNA carry? 36 of 919 binary labels per 1,000 bases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nasperf360.errors import DataError, UserError
from nasperf360.ranking import auroc
from nasperf360.readers.matlab_stream import ByteArray, MatlabFile
from nasperf360.seeds import generator
from nasperf360.tasks.base import Metric, Task

if TYPE_CHECKING:
    from torch import Tensor

    from nasperf360.data.datasets import DatasetWriter
    from nasperf360.data.raw import RawFile, RawFiles
    from nasperf360.tasks.base import Batch

LENGTH, FEATURES, SELECTED = 1000, 919, 36
# Which 36 was never published. Ours: the middles of 36 equal parts of the 919, so that DNase (0-124), transcription
# factors (125-814) and histone marks (815-918) are there in proportion: 5, 27 and 4.
COLUMNS = tuple((2 * index + 1) * FEATURES // (2 * SELECTED) for index in range(SELECTED))
BLOCK_BYTES = 64 << 20
ROWS = 1024  # samples written at a time

OPTIONS = {
    "columns": list(COLUMNS),  # indices of the labels, 0 to 918
    "train_fraction": 0.05,  # share of the selected training sequences that is drawn; as published
    "keep_negatives": False,  # sequences without a positive label too; as inferred from the published counts
    "length": LENGTH,  # bases kept, at the centre; as published
}


class DeepSEA(Task):
    """One-hot DNA (4, 1000) in the order A, G, C, T to 36 binary labels."""

    name = "deepsea"
    title = "DeepSEA"
    objective = "Predict chromatin features of DNA sequences (the paper: RNA-binding sequences)"
    published_size = "250K"
    dimensions = 1
    kind = "point"
    multi_label = True
    outputs = SELECTED
    metric = Metric("AUROC", higher_is_better=True)
    raw = "deepsea"
    merge_valid = False

    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """Select columns and sequences, and a share of the training sequences.

        Options of ``train.mat`` in the sources file win over those of ``prepare.deepsea``.
        """
        train = raw.one("bundle", "train.mat")
        options = {**OPTIONS, **options, **train.options}
        columns = self._columns(options["columns"], train)
        length, keep_negatives = options["length"], options["keep_negatives"]
        if options["train_fraction"] > 1 or length > LENGTH:
            given = f"train_fraction {options['train_fraction']} and length {length}"
            raise UserError(f"prepare.deepsea: {given} were given, at most 1 and {LENGTH} are allowed")
        margin = (LENGTH - length) // 2
        for name, fraction in (("train", options["train_fraction"]), ("valid", 1.0), ("test", 1.0)):
            file = raw.one("bundle", f"{name}.mat")
            with MatlabFile(file.path, scratch=writer.path.parent) as matlab:
                x = matlab.array(f"{name}xdata", LENGTH, 4)
                y = matlab.array(f"{name}data", FEATURES)
                if len(x) != len(y):
                    raise DataError(f"{file.path}: {len(x)} sequences, but labels for {len(y)}; fetch the file again")
                split = writer.split(
                    name, x=((4, length), "uint8"), y=((SELECTED,), "uint8"), classes=2, source=file.path
                )
                rows = self._selected(y, columns, keep_negatives, fraction)
                for sequences, labels in self._samples(x, y, rows, columns):
                    if sequences.sum(axis=1, dtype=np.uint16).max() > 1:
                        raise DataError(f"{file.path}: '{x.key}' is not one-hot; fetch the file again")
                    split.append(file.path, x=sequences[:, :, margin : margin + length], y=labels)

    def _columns(self, columns: Any, file: RawFile) -> np.ndarray:
        chosen = np.unique(np.asarray(columns, dtype=np.int64))
        if len(chosen) != SELECTED or len(columns) != SELECTED or chosen[0] < 0 or chosen[-1] >= FEATURES:
            raise DataError(
                f"{file.path}: its option 'columns' must be {SELECTED} different indices from 0 to {FEATURES - 1}; "
                f"change it in the sources file"
            )
        return chosen

    def _selected(self, y: ByteArray, columns: np.ndarray, keep_negatives: bool, fraction: float) -> np.ndarray:
        """Ascending indices of the sequences kept."""
        if keep_negatives:
            candidates = np.arange(len(y))
        else:
            positive = [
                start + np.flatnonzero(y.block(start, stop)[columns].any(axis=0))
                for start, stop in y.bounds(BLOCK_BYTES)
            ]
            candidates = np.concatenate(positive)
        if fraction == 1.0 or not len(candidates):
            return candidates
        count = max(1, int(fraction * len(candidates) + 0.5))
        return np.sort(generator("deepsea", "train_fraction").choice(candidates, count, replace=False))

    def _samples(
        self, x: ByteArray, y: ByteArray, rows: np.ndarray, columns: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(n, 4, 1000) sequences and (n, 36) labels of ``rows``, in order."""
        for start, stop in x.bounds(BLOCK_BYTES):
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
            if len(inside):
                sequences, labels = x.block(start, stop), y.block(start, stop)[columns]
                for part in np.array_split(inside, -(-len(inside) // ROWS)):
                    yield sequences[:, :, part].transpose(2, 1, 0), labels[:, part].T

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy on logits, mean over samples and labels."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(output, batch["y"].float())

    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Mean AUROC over the labels of which the split has both classes (``value``), and how many these are.

        Raises:
            DataError: no label has both classes.
        """
        areas = auroc(outputs, extras["y"])
        scored = areas[~np.isnan(areas)]
        if not len(scored):
            raise DataError("deepsea: no label has both classes, so AUROC is undefined; set keep_negatives: true")
        return {"value": float(scored.mean()), "labels_scored": float(len(scored))}


TASK = DeepSEA
