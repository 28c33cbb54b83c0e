"""The vote and the class of each record."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasperf360.tasks.ecg.metric import vote
from nasperf360.tasks.ecg.spec import LABELS
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.per_sample import Floats, PerSample


def per_sample(outputs: np.ndarray, targets: Targets) -> "Votes":
    """Of the logits (N, 4) of windows."""
    truth, votes = vote(outputs.argmax(axis=1), targets["y"], targets["group"])
    return Votes(truth, votes)


@dataclass(frozen=True)
class Votes(PerSample):
    """Classes of records, of which the metric is the mean F1.

    Args:
        truth: (records,).
        votes: (records,).
    """

    truth: NDArray[np.int64]
    votes: NDArray[np.int64]

    @property
    def samples(self) -> int:
        return len(self.truth)

    def values(self, counts: NDArray[np.int64]) -> Floats:
        true, voted = (classes[:, None] == np.arange(len(LABELS)) for classes in (self.truth, self.votes))
        hits, total = counts @ (true & voted), counts @ true.astype(np.int64) + counts @ voted
        scores: Floats = (2.0 * hits / np.maximum(1, total)).mean(axis=1)
        return scores
