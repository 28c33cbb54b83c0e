"""How bad Darcy Flow's worst solution is."""

import numpy as np

from nasperf360.tasks.darcy.metric import relative_errors
from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``worst``: largest relative l2 error of a sample."""
    return {"worst": float(relative_errors(outputs, targets).max())}
