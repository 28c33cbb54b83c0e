"""What the published metric of Cosmic hides."""

import numpy as np

from nasperf360.tasks.cosmic.metric import found, miss_rate
from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """Rates in percent, of logits (N, 1, c, c); a rate of nothing (no pixel of the kind) is 0.

    ``fnr_masked`` and ``fpr_masked`` leave ignored pixels out; ``balanced_error`` is (FNR + FPR) / 2, which later
    tables print as 1 - AUROC.
    """
    hits, truth, used = found(outputs), targets["y"] == 1, targets["ignore"] == 0
    fnr, fpr = miss_rate(hits, truth), miss_rate(~hits, ~truth)
    return {
        "fpr": fpr,
        "balanced_error": (fnr + fpr) / 2,
        "fnr_masked": miss_rate(hits[used], truth[used]),
        "fpr_masked": miss_rate(~hits[used], ~truth[used]),
        "precision": 100 - miss_rate(truth, hits),
    }
