"""The scores of ``ranking.py``, mean over labels, of samples that count several times or not at all."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from nasperf360.tasks.shared.per_sample import Floats, PerSample

Counts = NDArray[np.int64]


class Rankings(PerSample):
    """Samples ranked by each label.

    Args:
        scores: (N, labels), larger is more likely positive.
        positive: (N, labels), boolean.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray):
        columns = zip(scores.T, positive.T.astype(bool), strict=True)
        self._samples, self._labels = len(scores), [Ranking(*column) for column in columns if column[1].any()]

    @property
    def samples(self) -> int:
        return self._samples

    def values(self, counts: Counts) -> Floats:
        total, defined = np.zeros(len(counts)), np.zeros(len(counts))
        for ranking in self._labels:
            scores = self.score(ranking, counts)
            total += np.nan_to_num(scores)
            defined += ~np.isnan(scores)
        return _ratio(total, defined)

    @abstractmethod
    def score(self, ranking: "Ranking", counts: Counts) -> Floats:
        """Of a label (draws,), NaN where it is undefined."""


class AveragePrecisions(Rankings):
    """Mean average precision over the labels that occur."""

    def score(self, ranking: "Ranking", counts: Counts) -> Floats:
        drawn, seen, hits = ranking.passed(counts)
        precision = hits[1] / np.maximum(1, seen[1])
        return _ratio((drawn * precision).sum(axis=1), drawn.sum(axis=1))


class Aurocs(Rankings):
    """Mean area under the ROC curve over the labels that have both classes."""

    def score(self, ranking: "Ranking", counts: Counts) -> Floats:
        drawn, seen, hits = ranking.passed(counts)
        positives = drawn.sum(axis=1)
        negatives = counts.sum(axis=1) - positives
        above = (seen - hits).mean(axis=0)  # negatives; those that tie count by half
        return _ratio((drawn * (negatives[:, None] - above)).sum(axis=1), positives * negatives)


class Ranking:
    """Samples by the score of one label, best first, and where its positives stand among them.

    Args:
        scores: (N,).
        positive: (N,), boolean, not all False.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray):
        self.order = np.argsort(-scores, kind="stable")
        ordered = -scores[self.order]
        self.places = np.flatnonzero(positive[self.order])
        # Before, and with, all that tie with a positive.
        self.ends = np.stack([np.searchsorted(ordered, ordered[self.places], side) for side in ("left", "right")])
        self.positives = np.searchsorted(self.places, self.ends)

    def passed(self, counts: Counts) -> tuple[Counts, Counts, Counts]:
        """How often each positive was drawn, and what stands above it: without and with those that tie with it.

        Returns:
            draws of the positives (draws, P); of all samples above (2, draws, P); of the positives above (2, draws, P).
        """
        ordered = counts[:, self.order]
        drawn = ordered[:, self.places]
        return drawn, _sums(ordered, self.ends), _sums(drawn, self.positives)


def _sums(counts: Counts, ends: NDArray[np.int64]) -> Counts:
    """Sums of the first of each row, up to each end: (2, draws, P)."""
    sums = np.zeros((len(counts), counts.shape[1] + 1), np.int64)
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return np.stack([sums[:, end] for end in ends])


def _ratio(total: np.ndarray, count: np.ndarray) -> Floats:
    return np.where(count > 0, total, np.nan) / np.maximum(1, count)
