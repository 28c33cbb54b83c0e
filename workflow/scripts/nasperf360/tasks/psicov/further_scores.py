"""On how many proteins PSICOV's metric rests."""

import numpy as np

from nasperf360.tasks.psicov.metric import contact_errors
from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``proteins``: test proteins with a long-range contact; crops have no such number."""
    return {"proteins": float(len(contact_errors(outputs, targets)))} if "length" in targets else {}
