"""Evaluate: predictions and the labels of the test split -> ``result.json``, a number of the paper's Table 2."""

from collections.abc import Mapping
from pathlib import Path

from nasperf360.data.datasets import Dataset
from nasperf360.errors import UserError
from nasperf360.files import read_json, write_json
from nasperf360.stages.code_digest import check_code
from nasperf360.stages.experiment import Experiment, checksummed, verify_once
from nasperf360.stages.scoring import final_test, read_predictions, score
from nasperf360.tasks.shared.task_spec import task_spec


def evaluate(
    experiment: Experiment,
    code: Mapping[str, str],
    *,
    data: str,
    predictions: str,
    cost: str,
    output: str,
    verified: Path,
) -> None:
    """Score the saved predictions of a trained network. Takes neither GPU nor torch.

    Args:
        experiment: task, method, seed.
        code: digests of the source files that this job runs.
        data: the processed data set.
        predictions: of the training.
        cost: ``cost.json`` of the training, which names its files by digest.
        output: path of the result.
        verified: folder that remembers which data were compared with their manifest.

    Raises:
        UserError: the predictions are not those of this experiment and data.
    """
    files = read_files(cost, Path(predictions).name)
    with Dataset(data) as dataset:
        verify_once(dataset, verified)
        read = read_predictions(predictions, experiment, dataset, files[Path(predictions).name])
        scores = score(experiment.task, read.outputs, final_test(experiment.task, dataset).targets())
    metric = task_spec(experiment.task).metric
    result = {
        **read.record,
        "metric": {"name": metric.name, "higher_is_better": metric.higher_is_better},
        "value": scores["value"],
        "scores": scores,
        "files": files,
    }
    check_code(code)
    write_json(output, checksummed(result))


def read_files(cost: str, predictions: str) -> dict[str, str]:
    """Digests of the files of a training, by name.

    Raises:
        UserError: the predictions are not among them.
    """
    content = read_json(cost)
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or predictions not in files:
        raise UserError(f"{cost}: does not name {predictions}; delete it and run the same command again")
    return files
