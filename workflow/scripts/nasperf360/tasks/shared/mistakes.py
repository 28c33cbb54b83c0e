"""The 0-1 error by sample."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.per_sample import Mistakes


def per_sample(outputs: np.ndarray, targets: Targets) -> Mistakes:
    """Of logits (N, classes) against ``y`` (N,)."""
    return Mistakes(100.0 * (outputs.argmax(axis=1) != targets["y"]))
