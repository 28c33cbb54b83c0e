"""The 0-1 error: how many samples of a hundred get a wrong label."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """100 - top-1 accuracy in percent, of logits (N, classes) against ``y`` (N,)."""
    return 100.0 * float((outputs.argmax(axis=1) != targets["y"]).mean())
