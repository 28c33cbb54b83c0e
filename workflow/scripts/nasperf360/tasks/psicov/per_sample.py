"""The MAE8 of each protein that has a long-range contact."""

import numpy as np

from nasperf360.tasks.psicov.metric import contact_errors
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.per_sample import Means


def per_sample(outputs: np.ndarray, targets: Targets) -> Means:
    """Of distances (N, 1, s, s) of test proteins, in Angstrom."""
    return Means(np.array(contact_errors(outputs, targets)))
