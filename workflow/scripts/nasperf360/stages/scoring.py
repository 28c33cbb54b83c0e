"""The saved predictions of a trained network, read and scored. No torch here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nasperf360.data.datasets import Dataset, Split
from nasperf360.errors import UserError
from nasperf360.files import digest_file
from nasperf360.stages.experiment import Experiment
from nasperf360.tasks.shared.metrics import Targets, further_scores, task_metric
from nasperf360.tasks.shared.task_spec import task_spec

RECORDED = ("parameters", "multiply_adds", "simulated", "provenance", "search_seed", "samples")
"""What a record says besides whose it is."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for the final test split.

    Args:
        outputs: samples first, in the split's order, float32: (N, outputs), or (N, outputs, H, W) for dense tasks.
        record: of the training: names, sizes, ``samples``, ``simulated``, ``provenance``.
    """

    outputs: np.ndarray
    record: dict[str, Any]


def read_predictions(
    path: str | Path, experiment: Experiment, dataset: Dataset, sha256: str | None = None
) -> Predictions:
    """Predictions of an experiment for its data.

    Args:
        path: of the file.
        experiment: whose they should be.
        dataset: the processed data.
        sha256: the digest that ``cost.json`` beside them names; None where that was compared before.

    Raises:
        UserError: another file than that, damaged, of another experiment or of other data.
    """
    path, again = Path(path), "delete it and run the same command again"
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the same command again")
    if sha256 is not None and digest_file(path) != sha256:
        raise UserError(f"{path}: not the file that {path.with_name('cost.json')} names; {again}")
    try:
        with h5py.File(path, "r", locking=False) as file:
            outputs, record = file["outputs"][:], json.loads(file.attrs["record"])
        found = {name: record[name] for name in (*experiment.names(), *RECORDED)}
        data = record["provenance"]["data_sha256"]
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as predictions ({error}); {again}") from error
    if {name: found[name] for name in experiment.names()} != experiment.names():
        raise UserError(f"{path}: of {found['task']} {found['method']} seed {found['seed']}; {again}")
    if data != dataset.manifest["sha256"]:
        raise UserError(f"{path}: of other data than {dataset.path}; {again}")
    expected = shape(experiment.task, final_test(experiment.task, dataset))
    if outputs.shape != expected or outputs.dtype != np.float32:
        raise UserError(
            f"{path}: {outputs.dtype} {outputs.shape} where the test split needs float32 {expected}; {again}"
        )
    return Predictions(outputs, record)


def final_test(task: str, dataset: Dataset) -> Split:
    """The test split of the final number."""
    return dataset.final(task_spec(task).merge_valid)[1]


def shape(task: str, test: Split) -> tuple[int, ...]:
    """Of predictions for a test split."""
    spec = task_spec(task)
    return (len(test), spec.outputs, *(test.shape("y")[-spec.dimensions :] if spec.dense else ()))


def score(task: str, outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """The task's metric as ``value``, and its further scores by name."""
    return {"value": float(task_metric(task)(outputs, targets)), **further_scores(task, outputs, targets)}
