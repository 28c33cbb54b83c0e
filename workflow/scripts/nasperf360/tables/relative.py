"""Errors relative to others, by one rule wherever a table or figure shows any."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nasperf360.labels import BASELINE, method_label, task_label

ZERO_RULE = "Relative to an error of 0, another 0 is equal, and any other error is infinitely larger."


def relative_error(error: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Errors over those of a baseline.

    Args:
        error: not negative; infinite where the method failed, NaN where there is no result.
        baseline: of a shape to which it broadcasts.

    Returns:
        the ratios: 1 where both are 0; infinity where the baseline alone is 0, or the method alone failed; NaN where
        one of them has no result, or the baseline failed: there is nothing to be relative to.
    """
    error, baseline = np.asarray(error, float), np.asarray(baseline, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = error / baseline
    ratio = np.where((error == 0) & (baseline == 0), 1.0, ratio)
    return np.where(np.isinf(baseline), np.nan, ratio)


def improvement(error: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Percent by which errors are below those of a baseline; see :func:`relative_error`."""
    return 100 * (1 - relative_error(error, baseline))


def baseline_errors(performance: pd.DataFrame, baseline: str = BASELINE) -> pd.Series:
    """Errors of the baseline by task of the run, in order of appearance; NaN where it has no result."""
    errors = performance[performance["method"] == baseline].set_index("task")["error"]
    return errors.reindex(dict.fromkeys(performance["task"])).astype(float)


def baseline_notes(performance: pd.DataFrame, baseline: str = BASELINE) -> list[str]:
    """Where errors are not, or not all, relative to the baseline: absent, failed and zero are three sentences.

    Args:
        performance: as ``read_performance`` gives it.
        baseline: the method that errors are compared with.
    """
    errors, name = baseline_errors(performance, baseline), method_label(baseline)
    cases = {
        f"{name} has no result, so no error is relative to it": errors.isna(),
        f"{name} failed, so no error is relative to it": np.isinf(errors),
        f"{name} has an error of 0, to which another 0 is equal and any other error infinitely larger": errors == 0,
    }
    return [
        f"{sentence}: {', '.join(map(task_label, errors.index[where]))}."
        for sentence, where in cases.items()
        if where.any()
    ]
