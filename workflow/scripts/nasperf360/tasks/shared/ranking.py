"""Scores of a ranking, per label: the area under the ROC curve and average precision, of scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def auroc(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each label, NaN where all samples or none are positive.

    Args:
        scores: (N, labels), larger is more likely positive.
        positive: (N, labels), boolean.
    """
    positive = positive.astype(bool)
    return _where(positive.any(axis=0) & ~positive.all(axis=0), roc_auc_score, scores, positive)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Average precision of each label, NaN where no sample is positive. Arguments as of :func:`auroc`."""
    positive = positive.astype(bool)
    return _where(positive.any(axis=0), average_precision_score, scores, positive)


def _where(defined: Any, score: Callable[..., Any], scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    found = np.full(scores.shape[1], np.nan)
    if defined.any():
        found[defined] = score(positive[:, defined], scores[:, defined], average=None)
    return found
