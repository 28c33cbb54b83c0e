"""The result files of a run as one tidy frame: a row per task, method and seed.

Nothing heavy at module level: the workflow itself imports this module to see which results exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from nasperf360.errors import DataError, UserError
from nasperf360.files import digest_file, read_json, remembered
from nasperf360.labels import halves
from nasperf360.tasks import get_task

if TYPE_CHECKING:
    import pandas as pd

Cell = tuple[str, str, int]
"""Task, method, seed."""

COMPLETE, NOT_RUN = "complete", "not run"
STALE = "stale: the result is of an earlier search"
COLUMNS = [
    "task",
    "method",
    "space",
    "algorithm",
    "seed",
    "metric",
    "higher_is_better",
    "value",
    "parameters",
    "simulated",
    "status",
]


def result_path(folder: str | Path, cell: Cell) -> Path:
    """Where a cell's result lies below ``results/<run>``."""
    task, method, seed = cell
    return Path(folder, "retrain", task, method, str(seed), "result.json")


def architecture_path(folder: str | Path, cell: Cell) -> Path:
    """Where what a cell's search found lies below ``results/<run>``."""
    task, method, seed = cell
    return Path(folder, "search", task, method, str(seed), "architecture.json")


def data_folder(folder: str | Path) -> Path:
    """The folder of the run whose data the run in ``folder`` works on."""
    return Path(folder).parent / remembered(Path(folder, "study.json")).get("data_run", Path(folder).name)


def state(folder: str | Path, cell: Cell) -> str:
    """``complete``, or why the cell is not: the stage that failed and its reason, ``stale: ...``, or ``not run``.

    The first stage that failed counts: Snakemake removes the outputs of a job that it starts, but neither the result
    nor the failure of what followed from the last ones.
    """
    architecture, result = architecture_path(folder, cell), result_path(folder, cell)
    if reason := _data_failure(data_folder(folder), cell[0]) or _failure("search", architecture.parent):
        return reason
    if architecture.is_file():
        if result.is_file() and _follows(result, architecture):
            return COMPLETE
        if reason := _failure("retrain", result.parent):
            return reason
    return STALE if result.is_file() else NOT_RUN


def _failure(stage: str, folder: Path) -> str:
    path = folder / "failure.json"
    return f"{stage} failed: {remembered(path).get('reason', f'{path} is damaged')}" if path.is_file() else ""


def _data_failure(data: Path, task: str) -> str:
    if (data / "data" / f"{task}.json").is_file():
        return ""
    for name in (get_task(task).raw, task):  # a published data set comes under the task's own name
        raw = data / "raw" / name
        if not (raw / "files.json").is_file() and (reason := _failure("download", raw)):
            return reason
    return _failure("preprocess", data / "data" / task)


def _follows(result: Path, architecture: Path) -> bool:
    """Whether a result is of what the search found last."""
    try:
        trained = read_json(result)["provenance"]["settings"]["architecture"]
    except (UserError, KeyError, TypeError):
        return True  # it is damaged, which whoever reads it says
    return bool(trained == remembered(architecture).get("architecture"))


def snapshot(folder: str | Path, cells: Iterable[Cell]) -> dict[str, str]:
    """What there is of each cell now: the digest of its result, or why it has none.

    A partial run takes this as a param in place of the results as inputs: it reruns when a result came or changed,
    and never asks for one.
    """
    states = {}
    for cell in cells:
        found = state(folder, cell)
        states["/".join(map(str, cell))] = digest_file(result_path(folder, cell)) if found == COMPLETE else found
    return states


def _row(folder: str | Path, cell: Cell) -> dict[str, Any]:
    task, method, seed = cell
    space, algorithm = halves(method)
    row: dict[str, Any] = {"task": task, "method": method, "space": space, "algorithm": algorithm, "seed": seed}
    path, found = result_path(folder, cell), state(folder, cell)
    if found != COMPLETE:
        metric = get_task(task).metric
        return row | {
            "metric": metric.name,
            "higher_is_better": metric.higher_is_better,
            "value": None,
            "parameters": None,
            "simulated": None,
            "status": found,
        }
    result = read_json(path)
    try:
        holds = (result["task"], result["method"], result["seed"])
        if holds != cell:
            raise DataError(f"{path}: holds the result of {'/'.join(map(str, holds))}; delete it and run again")
        return row | {
            "metric": result["metric"]["name"],
            "higher_is_better": result["metric"]["higher_is_better"],
            "value": float(result["value"]),
            "parameters": result["parameters"],
            "simulated": result["simulated"],
            "status": COMPLETE,
        }
    except KeyError as error:
        raise DataError(f"{path}: lacks the key {error}; delete it and run again") from error


def collect(folder: str | Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """The scores of a run, one row per cell in the order given.

    A cell that is not complete has an empty value and its :func:`state` in ``status``.

    Raises:
        DataError: a result that lacks a key or belongs to another cell.
    """
    import pandas as pd

    scores = pd.DataFrame([_row(folder, cell) for cell in cells], columns=COLUMNS)
    return scores.astype(
        {"value": float, "parameters": "Int64", "simulated": "boolean", "higher_is_better": bool, "seed": int}
    )


def to_csv(scores: pd.DataFrame) -> str:
    """What ``scores.csv`` holds, every digit."""
    return scores.to_csv(index=False, lineterminator="\n")


def read_scores(path: str | Path | TextIO) -> pd.DataFrame:
    """``scores.csv`` as :func:`collect` made it."""
    import pandas as pd

    return pd.read_csv(path, dtype={"parameters": "Int64", "simulated": "boolean", "value": float, "status": str})
