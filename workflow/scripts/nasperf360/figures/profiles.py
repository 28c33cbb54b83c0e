"""Performance profiles (Dolan and Moré, 2002), as in the paper's Figures 1 and 2.

The profile of a method at tau is the fraction of tasks on which its error is at most tau times the lowest error of the
methods beside it: a right-continuous step function. A task on which a method has no result or a failed seed
counts as unsolved.
"""

import numpy as np
import pandas as pd

from nasperf360.tables.resampling import LEVEL, resampled_errors, seed_errors

BAND_POINTS = 200


def performance_ratios(errors: np.ndarray) -> np.ndarray:
    """Errors over the lowest of their task.

    Args:
        errors: (..., tasks, methods), not negative; infinite where a seed failed, NaN where there is no result.

    Returns:
        ratios of the same shape, at least 1; infinity where a seed failed or there is no result. Where the lowest error
        is 0, 1 for the methods that reach it and infinity for the others.
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
    """The end of the axis of tau: a little beyond the last step."""
    finite = ratios[np.isfinite(ratios)]
    return float(max(1.1 * finite.max(), 1.5)) if finite.size else 1.5


def most_seeds(scores: pd.DataFrame, tasks: list[str], methods: list[str]) -> int:
    """How many seeds a method of the panel has on a task at most."""
    found = seed_errors(scores[scores["task"].isin(tasks) & scores["method"].isin(methods)])
    return max(map(len, found.values()), default=0)


def bands(scores: pd.DataFrame, tasks: list[str], methods: list[str], taus: np.ndarray) -> np.ndarray:
    """Pointwise bands that hold the middle 95 % of the profiles when the seeds of each method and task are drawn anew.

    They show how far the seeds that ran spread. They are no confidence bands: of two seeds the means just range
    from the lower to the higher, which encloses the true one about half the time, of three about three times in four.

    Args:
        scores: a row per seed.

    Returns:
        lower and upper limits (2, methods, taus).
    """
    ratios = performance_ratios(resampled_errors(scores, tasks, methods))
    curves = np.concatenate([profile(ratios, taus[index : index + 1]) for index in range(len(taus))], axis=-1)
    return np.quantile(curves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


def panel_profiles(errors: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """The profiles of one panel.

    Args:
        errors: tasks by methods; NaN where there is no result.
        scores: a row per seed, for the bands; None where only means are known.

    Returns:
        a row per method and step or point of its band: method, tau, fraction, low, high (empty without bands), tasks,
        seeds (how many a method has on a task at most; 0 where only means are known).
    """
    tasks, methods = list(errors.index), list(errors.columns)
    ratios = performance_ratios(errors.to_numpy(float))
    end = end_of_axis(ratios)
    seeds = 0 if scores is None else most_seeds(scores, tasks, methods)
    repeated = seeds > 1
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
                    "seeds": seeds,
                }
            )
            for index, method in enumerate(methods)
        ],
        ignore_index=True,
    )
