"""The result files of a run as one tidy frame: a row per task, method and seed.

Nothing heavy at module level: the workflow itself imports this module to see which results exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasperf360.errors import DataError
from nasperf360.files import digest_file, read_json
from nasperf360.labels import halves
from nasperf360.tasks import get_task

if TYPE_CHECKING:
    import pandas as pd

Cell = tuple[str, str, int]
"""Task, method, seed."""

COMPLETE = "complete"
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


def reason_missing(folder: str | Path, cell: Cell) -> str:
    """Why a cell has no result: the reason of its failed retraining or search, else ``not run``."""
    task, method, seed = cell
    for stage in ("retrain", "search"):
        failure = Path(folder, stage, task, method, str(seed), "failure.json")
        if failure.is_file():
            return f"{stage} failed: {read_json(failure)['reason']}"
    return "not run"


def snapshot(folder: str | Path, cells: Iterable[Cell]) -> dict[str, str]:
    """What there is of each cell now: the digest of its result, or why it has none.

    A partial run takes this as a param in place of the results as inputs: it reruns when a result came or changed,
    and never asks for one.
    """
    state = {}
    for cell in cells:
        path = result_path(folder, cell)
        state["/".join(map(str, cell))] = digest_file(path) if path.is_file() else reason_missing(folder, cell)
    return state


def _row(folder: str | Path, cell: Cell) -> dict[str, Any]:
    task, method, seed = cell
    space, algorithm = halves(method)
    row: dict[str, Any] = {"task": task, "method": method, "space": space, "algorithm": algorithm, "seed": seed}
    path = result_path(folder, cell)
    if not path.is_file():
        metric = get_task(task).metric
        return row | {
            "metric": metric.name,
            "higher_is_better": metric.higher_is_better,
            "value": None,
            "parameters": None,
            "simulated": None,
            "status": reason_missing(folder, cell),
        }
    result = read_json(path)
    try:
        found = (result["task"], result["method"], result["seed"])
        if found != cell:
            raise DataError(f"{path}: holds the result of {'/'.join(map(str, found))}; delete it and run again")
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

    A cell without a result has an empty value and its reason in ``status``.

    Raises:
        DataError: a result that lacks a key or belongs to another cell.
    """
    import pandas as pd

    scores = pd.DataFrame([_row(folder, cell) for cell in cells], columns=COLUMNS)
    return scores.astype(
        {"value": float, "parameters": "Int64", "simulated": "boolean", "higher_is_better": bool, "seed": int}
    )


def read_scores(path: str | Path) -> pd.DataFrame:
    """``scores.csv`` as :func:`collect` made it."""
    import pandas as pd

    return pd.read_csv(path, dtype={"parameters": "Int64", "simulated": "boolean", "value": float, "status": str})
