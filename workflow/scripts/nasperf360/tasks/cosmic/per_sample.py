"""The hit pixels of each image, and those of them that were missed."""

import numpy as np

from nasperf360.tasks.cosmic.metric import found
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.per_sample import Ratios


def per_sample(outputs: np.ndarray, targets: Targets) -> Ratios:
    """Of logits (N, 1, c, c): the false negative rate is over all pixels, so images with more of them weigh more."""
    truth = targets["y"] == 1
    missed = truth & ~found(outputs)
    return Ratios(missed.reshape(len(missed), -1).sum(axis=1), truth.reshape(len(truth), -1).sum(axis=1))
