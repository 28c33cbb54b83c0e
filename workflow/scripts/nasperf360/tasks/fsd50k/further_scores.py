"""On how many labels and clips FSD50K's metric rests."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``labels_scored``: labels that occur in the split; ``clips``: how many it has."""
    clips, first = np.unique(targets["group"], return_index=True)
    occurs = targets["y"][first].any(axis=0)
    return {"labels_scored": float(occurs.sum()), "clips": float(len(clips))}
