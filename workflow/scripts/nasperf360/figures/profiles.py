"""Performance profiles (Dolan and Moré, 2002), as in the paper's Figures 1 and 2.

The profile of a method at tau is the fraction of tasks on which its error is at most tau times the lowest error of the
methods beside it: a right-continuous step function. A task on which a method has no result counts as unsolved.
"""

import numpy as np
import pandas as pd

from nasperf360.seeds import generator
from nasperf360.tables.performance import to_error

REPLICATES = 1000
LEVEL = 0.95
BAND_POINTS = 200


def performance_ratios(errors: np.ndarray) -> np.ndarray:
    """Errors over the lowest of their task.

    Args:
        errors: (..., tasks, methods), not negative; NaN where there is no result.

    Returns:
        ratios of the same shape, at least 1; infinity where there is no result. Where the lowest error is 0, 1 for the
        methods that reach it and infinity for the others.
    """
    filled = np.where(np.isnan(errors), np.inf, errors)
    best = filled.min(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = filled / best
    return np.where(np.isfinite(filled), np.where(filled == best, 1.0, ratios), np.inf)


def profile(ratios: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Fraction of tasks with ratio <= tau.

    Args:
        ratios: (..., tasks, methods).
        taus: (points,).

    Returns:
        (..., methods, points).
    """
    return (ratios[..., None] <= taus).mean(axis=-3)


def end_of_axis(ratios: np.ndarray) -> float:
    """A little beyond the last step."""
    finite = ratios[np.isfinite(ratios)]
    return float(max(1.1 * finite.max(), 1.5)) if finite.size else 1.5


def _cells(scores: pd.DataFrame, tasks: list[str], methods: list[str]) -> dict[tuple[str, str], np.ndarray]:
    """Errors over seeds of each cell that has any."""
    scored = scores.dropna(subset="value")
    scored = scored[scored["task"].isin(tasks) & scored["method"].isin(methods)]
    scored = scored.assign(error=to_error(scored["value"], scored["higher_is_better"]))
    return {key: group["error"].to_numpy() for key, group in scored.groupby(["task", "method"])}


def has_repetitions(scores: pd.DataFrame, tasks: list[str], methods: list[str]) -> bool:
    """Whether some cell of the panel has more than one seed."""
    return any(len(values) > 1 for values in _cells(scores, tasks, methods).values())


def bands(scores: pd.DataFrame, tasks: list[str], methods: list[str], taus: np.ndarray) -> np.ndarray:
    """Pointwise 95 % bootstrap bands of the profiles: each replicate draws the seeds of each cell anew.

    Each cell draws from a stream of its own name, so a further task or method leaves the draws of the others alone.

    Args:
        scores: a row per seed.

    Returns:
        lower and upper limits (2, methods, taus).
    """
    cells = _cells(scores, tasks, methods)
    errors = np.full((REPLICATES, len(tasks), len(methods)), np.nan)
    for (task, method), values in cells.items():
        draws = generator("bootstrap", task, method).integers(len(values), size=(REPLICATES, len(values)))
        errors[:, tasks.index(task), methods.index(method)] = values[draws].mean(axis=1)
    ratios = performance_ratios(errors)
    curves = np.concatenate([profile(ratios, taus[index : index + 1]) for index in range(len(taus))], axis=-1)
    return np.quantile(curves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


def panel_profiles(errors: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """The profiles of one panel.

    Args:
        errors: tasks by methods; NaN where there is no result.
        scores: a row per seed, for the bands; None where only means are known.

    Returns:
        a row per method and step or point of its band: method, tau, fraction, low, high (empty without bands), tasks.
    """
    tasks, methods = list(errors.index), list(errors.columns)
    ratios = performance_ratios(errors.to_numpy(float))
    end = end_of_axis(ratios)
    repeated = scores is not None and has_repetitions(scores, tasks, methods)
    # Every step of every method is a point, so the curves are exact; the bands need points in between.
    points = [[1.0, end], ratios[np.isfinite(ratios)], np.geomspace(1.0, end, BAND_POINTS) if repeated else []]
    taus = np.unique(np.concatenate(points))
    curves = profile(ratios, taus)
    low, high = bands(scores, tasks, methods, taus) if repeated else np.full((2, *curves.shape), np.nan)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "method": method,
                    "tau": taus,
                    "fraction": curves[index],
                    "low": low[index],
                    "high": high[index],
                    "tasks": len(tasks),
                }
            )
            for index, method in enumerate(methods)
        ],
        ignore_index=True,
    )
