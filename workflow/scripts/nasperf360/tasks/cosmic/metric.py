"""Cosmic is scored by the false negative rate over all pixels, as published."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets

THRESHOLD = 0.5  # of the raw logit, as published: a probability of 0.622


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """FNR in percent, of logits (N, 1, c, c) above 0.5 against ``y``; ignored pixels count. 0 where no pixel is hit."""
    return miss_rate(found(outputs), targets["y"] == 1)


def found(outputs: np.ndarray) -> np.ndarray:
    """Which pixels the logits say are hit."""
    return outputs > THRESHOLD


def miss_rate(found: np.ndarray, truth: np.ndarray) -> float:
    """Percent of true pixels that were not found; 0 where none is true."""
    return 100 * int((truth & ~found).sum()) / max(1, int(truth.sum()))
