"""Scores of a ranking, per label: the area under the ROC curve and average precision.

As scikit-learn's ``roc_auc_score`` and ``average_precision_score`` define them, to the last digits; to import it takes
longer than a short job.
"""

from collections.abc import Callable

import numpy as np


def auroc(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each label, NaN where all samples or none are positive.

    Args:
        scores: (N, labels), larger is more likely positive.
        positive: (N, labels), boolean.
    """
    return _per_label(_auroc, scores, positive)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Average precision of each label, NaN where no sample is positive. Arguments as of :func:`auroc`."""
    return _per_label(_average_precision, scores, positive)


def _per_label(
    score: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray, positive: np.ndarray
) -> np.ndarray:
    return np.array([score(*columns) for columns in zip(scores.T, positive.T.astype(bool), strict=True)])


def _auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """From the positives' sum of ranks, ties at their mean (Mann and Whitney)."""
    count = int(positive.sum())
    pairs = count * (len(positive) - count)
    if not pairs:
        return np.nan
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    return (ranks[positive].sum() - count * (count + 1) / 2) / pairs


def _average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Mean over the positives of the precision among all that score at least as high."""
    if not positive.any():
        return np.nan
    _, place, ties = np.unique(-scores, return_inverse=True, return_counts=True)
    found = np.bincount(place, positive)
    precision = np.cumsum(found) / np.cumsum(ties)
    return (precision * found).sum() / positive.sum()
