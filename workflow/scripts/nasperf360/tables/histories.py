"""The histories of searches and trainings: what was measured after each of their steps, and when."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nasperf360.errors import DataError, again
from nasperf360.files import remembered
from nasperf360.study.paths import Key, cost_path, costly, history_path
from nasperf360.tables.stored import whole

COLUMNS = ["stage", "task", "method", "seed", "quantity", "step", "hours", "value"]
TRAINING, VALIDATION = "training loss", "validation loss"
BEST = "lowest validation error so far"
"""Quantities. That of searches by trials is an error: the metric of the task, or 1 - metric where higher is better."""

LOSSES = {"train_loss": TRAINING, "valid_loss": VALIDATION}
SCORE, REWARD = "valid_score", "reward"  # of searches by trials; a reward is better where higher, for every task


def read_histories(
    folder: str | Path, keys: Iterable[Key], searches: int | None, higher_is_better: Mapping[str, bool]
) -> pd.DataFrame:
    """A row per quantity and step of each search and training that has a history.

    Args:
        folder: ``results/<run>``.
        keys: task, method and seed of the experiments.
        searches: of the configuration.
        higher_is_better: by task, of its metric.

    Returns:
        columns :data:`COLUMNS`; steps count from 1 (epochs; trials, rungs or rewarded architectures), hours from the
        start of the job, without those of an attempt that was killed; they are NaN where the seconds are not known.

    Raises:
        DataError: a history that cannot be read.
    """
    found = [
        curve
        for stage, key in costly(keys, searches)
        if history_path(folder, stage, key).is_file()
        for curve in _curves(folder, stage, key, higher_is_better[key[0]])
    ]
    rows = [(*about, *step) for about, steps in found for step in steps]
    types = {"seed": int, "step": int, "hours": float, "value": float}
    return pd.DataFrame(rows, columns=COLUMNS).astype(types)


Step = tuple[int, float, float]


def _curves(folder: str | Path, stage: str, key: Key, higher: bool) -> Iterator[tuple[tuple[Any, ...], list[Step]]]:
    """Stage, task, method, seed and quantity, with the steps after which it is known."""
    path = history_path(folder, stage, key)
    try:
        rows = list(csv.DictReader(StringIO(whole(path))))
        measured = _measured(rows, higher)
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); {again(path)}") from error
    seconds = np.asarray(remembered(cost_path(folder, stage, key)).get("history_seconds", []), float)
    hours = np.cumsum(seconds) / 3600 if len(seconds) == len(rows) else np.full(len(rows), np.nan)
    for quantity, values in measured.items():
        steps = enumerate(zip(hours, values, strict=True), 1)
        yield (stage, *key, quantity), [(step, hour, value) for step, (hour, value) in steps if np.isfinite(value)]


def _measured(rows: list[dict[str, str]], higher: bool) -> dict[str, NDArray[np.float64]]:
    """Values of each quantity by step. A trial that diverged has no score."""
    names = rows[0].keys() if rows else ()

    def values(column: str) -> NDArray[np.float64]:
        return np.array([float(row[column] or "nan") for row in rows])

    for column, better in ((SCORE, higher), (REWARD, True)):
        if column in names:
            errors = 1 - values(column) if better else values(column)
            return {BEST: np.fmin.accumulate(errors)}
    return {name: values(column) for column, name in LOSSES.items() if column in names}
