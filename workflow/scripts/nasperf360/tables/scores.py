"""The results of a run as one tidy frame: a row per task, method and seed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from nasperf360.errors import DataError
from nasperf360.files import read_json
from nasperf360.labels import COMPLETE, halves
from nasperf360.study.paths import Key, result_path
from nasperf360.study.results import state
from nasperf360.tasks.shared.task_spec import task_spec

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
    "outcome",
    "status",
]
ORDER_FIXED = "order_fixed"
"""A further column, where there is a search whose order of events was not (``workers``)."""


def _row(folder: str | Path, key: Key) -> dict[str, Any]:
    task, method, seed = key
    space, algorithm = halves(method)
    row: dict[str, Any] = {"task": task, "method": method, "space": space, "algorithm": algorithm, "seed": seed}
    path, found = result_path(folder, key), state(folder, key)
    if not found.complete:
        metric = task_spec(task).metric
        return row | {
            "metric": metric.name,
            "higher_is_better": metric.higher_is_better,
            "value": None,
            "parameters": None,
            "simulated": None,
            "outcome": found.outcome,
            "status": str(found),
        }
    result = read_json(path)
    try:
        holds = (result["task"], result["method"], result["seed"])
        if holds != key:
            raise DataError(f"{path}: holds the result of {'/'.join(map(str, holds))}; delete it and run again")
        return row | {
            "metric": result["metric"]["name"],
            "higher_is_better": result["metric"]["higher_is_better"],
            "value": float(result["value"]),
            "parameters": result["parameters"],
            "simulated": result["simulated"],
            "outcome": COMPLETE,
            "status": COMPLETE,
            ORDER_FIXED: result.get("search_order_fixed", True),
        }
    except KeyError as error:
        raise DataError(f"{path}: lacks the key {error}; delete it and run again") from error


def collect(folder: str | Path, keys: Iterable[Key]) -> pd.DataFrame:
    """The scores of a run, one row per experiment in the order given.

    An experiment that is not complete has an empty value, ``failed`` or ``open`` in ``outcome`` and its state in
    ``status``.

    Raises:
        DataError: a result that lacks a key or belongs to another experiment.
    """
    rows = [_row(folder, key) for key in keys]
    further = [] if all(row.get(ORDER_FIXED, True) for row in rows) else [ORDER_FIXED]
    scores = pd.DataFrame(rows, columns=[*COLUMNS, *further])
    return scores.astype(
        {"value": float, "parameters": "Int64", "simulated": "boolean", "higher_is_better": bool, "seed": int}
    )


def to_csv(scores: pd.DataFrame) -> str:
    """What ``scores.csv`` holds, every digit; ``performance.read_scores`` reads it."""
    return scores.to_csv(index=False, lineterminator="\n")
