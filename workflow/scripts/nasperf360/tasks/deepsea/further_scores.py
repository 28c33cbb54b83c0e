"""On how many labels DeepSEA's metric rests."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``labels_scored``: labels of which the split has both classes."""
    positive = targets["y"] != 0
    return {"labels_scored": float((positive.any(axis=0) & ~positive.all(axis=0)).sum())}
