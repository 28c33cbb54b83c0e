"""The relative l2 error of each solution."""

import numpy as np

from nasperf360.tasks.darcy.metric import relative_errors
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.per_sample import Means


def per_sample(outputs: np.ndarray, targets: Targets) -> Means:
    """Of solutions (N, 1, s, s)."""
    return Means(relative_errors(outputs, targets))
