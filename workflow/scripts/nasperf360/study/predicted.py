"""The saved predictions of a run's experiments, sample by sample, for those that have any."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from nasperf360.data.datasets import Dataset
from nasperf360.files import read_json
from nasperf360.labels import FAILED
from nasperf360.stages.experiment import Experiment
from nasperf360.stages.scoring import final_test, read_predictions
from nasperf360.study.paths import PREDICTIONS, Key, data_folder, predictions_path, result_path
from nasperf360.study.results import state
from nasperf360.tasks.shared.per_sample import PerSample, task_per_sample

NOT_KEPT = "predictions not kept"


def lacking(folder: Path, key: Key) -> str | None:
    """Why the samples of an experiment cannot be compared; None where they can.

    Args:
        folder: ``results/<run>``.
        key: the experiment.
    """
    found = state(folder, key)
    if not found.complete:
        return FAILED if found.outcome == FAILED else str(found)
    return None if predictions_path(folder, key).is_file() else NOT_KEPT


def per_sample(folder: Path, task: str, keys: Iterable[Key]) -> Iterator[tuple[Key, PerSample]]:
    """The predictions of experiments of one task, one after another: each may be large.

    Args:
        folder: ``results/<run>``.
        task: of all of them.
        keys: experiments that lack nothing.

    Raises:
        UserError: predictions that are damaged, or not those that the result names.
    """
    with Dataset(data_folder(folder) / "data" / f"{task}.h5") as dataset:
        targets = final_test(task, dataset).targets()
        for key in keys:
            path, (_, method, seed) = predictions_path(folder, key), key
            named = read_json(result_path(folder, key))["files"].get(PREDICTIONS)
            read = read_predictions(path, Experiment("evaluate", task, method, seed), dataset, named)
            yield key, task_per_sample(task, read.outputs, targets)


def simulated(folder: Path, task: str) -> bool:
    """Whether the data that a run works on were simulated."""
    return bool(read_json(data_folder(folder) / "data" / f"{task}.json")["origin"] == "simulated")
