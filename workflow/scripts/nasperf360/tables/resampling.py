"""Results drawn anew: other seeds of each experiment, and other tasks.

Each experiment draws from a stream of its own name, so a further task or method leaves the draws of the others alone.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nasperf360.labels import FAILED
from nasperf360.seeds import generator
from nasperf360.tables.performance import to_error, with_errors
from nasperf360.tables.ranks import ranks
from nasperf360.tables.relative import improvement

REPLICATES = 1000
TASK_REPLICATES = 10_000  # of tasks: their medians are few and far between
LEVEL = 0.95


def seed_errors(scores: pd.DataFrame) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Errors over seeds of each task and method; infinite where a seed failed, without those that are open.

    Args:
        scores: a row per seed, as ``read_scores`` gives them.
    """
    errors = to_error(scores["value"], scores["higher_is_better"]).mask(scores["outcome"] == FAILED, np.inf)
    known = scores.assign(error=errors).dropna(subset="error")
    return {key: group["error"].to_numpy(float) for key, group in known.groupby(["task", "method"])}


def resampled_errors(scores: pd.DataFrame, tasks: list[str], methods: list[str]) -> NDArray[np.float64]:
    """Mean errors when the seeds of each experiment are drawn anew, with replacement.

    Args:
        scores: a row per seed.
        tasks: rows of each replicate.
        methods: columns of each replicate.

    Returns:
        (replicates, tasks, methods): infinite where a failed seed is among those drawn, NaN where there is none.
    """
    errors = np.full((REPLICATES, len(tasks), len(methods)), np.nan)
    for (task, method), values in seed_errors(scores).items():
        if task in tasks and method in methods:
            draws = generator("bootstrap", task, method).integers(len(values), size=(REPLICATES, len(values)))
            errors[:, tasks.index(task), methods.index(method)] = values[draws].mean(axis=1)
    return errors


def drawn_errors(performance: pd.DataFrame, tasks: list[str], methods: list[str]) -> NDArray[np.float64]:
    """Mean errors of results that are known by mean and deviation alone: of as many normal draws as there were seeds.

    Args:
        performance: a row per task and method; see ``reference_performance``.
        tasks: rows of each replicate.
        methods: columns of each replicate.

    Returns:
        (replicates, tasks, methods), not negative; NaN where there is no result.
    """
    errors = np.full((REPLICATES, len(tasks), len(methods)), np.nan)
    for row in with_errors(performance).itertuples():
        deviation = 0.0 if pd.isna(row.std) else row.std
        draws = generator("normal", row.task, row.method).normal(row.error, deviation, (REPLICATES, row.seeds))
        errors[:, tasks.index(row.task), methods.index(row.method)] = draws.mean(axis=1).clip(min=0)
    return errors


def median_intervals(errors: NDArray[np.float64], baseline: int | None) -> NDArray[np.float64]:
    """Intervals of the median rank and the median improvement of each method, over tasks that are drawn anew as well.

    Each method's tasks are drawn with replacement from those where it has a rank or an improvement; a task that is
    drawn twice has other seeds each time.

    Args:
        errors: (replicates, tasks, methods), of seeds drawn anew.
        baseline: which method improvements compare with; None: there is none.

    Returns:
        (rank and improvement, low and high, methods); NaN where a method has fewer than two tasks.
    """
    reference = np.full_like(errors[..., :1], np.nan) if baseline is None else errors[..., baseline, None]
    statistics = ranks(errors), improvement(errors, reference)
    intervals = np.full((2, 2, errors.shape[-1]), np.nan)
    for index, values in enumerate(statistics):
        for method in range(errors.shape[-1]):
            known = values[..., method]
            known = known[:, ~np.isnan(known).all(axis=0)]
            if known.shape[1] > 1:
                intervals[index, :, method] = _interval(known)
    return intervals


def _interval(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limits of the median over drawn tasks; values (replicates, tasks), infinite ones among them."""
    replicates, tasks = values.shape
    stream, size = generator("bootstrap", "tasks", tasks), (TASK_REPLICATES, tasks)
    drawn = values[stream.integers(replicates, size=size), stream.integers(tasks, size=size)]
    medians = np.nanmedian(drawn[~np.isnan(drawn).all(axis=1)], axis=1)
    # No interpolation: between two infinite medians it gives NaN.
    return np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
