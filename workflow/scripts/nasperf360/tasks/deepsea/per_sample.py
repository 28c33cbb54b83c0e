"""Sequences ranked by each label."""

import numpy as np

from nasperf360.tasks.shared.drawn_rankings import Aurocs
from nasperf360.tasks.shared.metrics import Targets


def per_sample(outputs: np.ndarray, targets: Targets) -> Aurocs:
    """Of logits (N, 36)."""
    return Aurocs(outputs, targets["y"])
