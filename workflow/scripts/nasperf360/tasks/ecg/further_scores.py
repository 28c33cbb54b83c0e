"""F1 of ECG as the challenge averages it, of each class, without votes, and of records that no search has seen."""

import numpy as np

from nasperf360.tasks.ecg.metric import f1_scores, vote
from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``challenge``: mean of N, A and O, the score of the 2017 challenge; ``f1_windows``: of windows, not of votes.

    ``f1_unseen`` is the metric on the ``records_unseen`` records that were not validated on in tuning: about half of
    the final test. Data sets of earlier versions do not say which these are, and a split may have none.
    """
    predicted = outputs.argmax(axis=1)
    truth, votes = vote(predicted, targets["y"], targets["group"])
    f1 = f1_scores(votes, truth)
    clean = _unseen(predicted, targets) if "unseen" in targets else {}
    return {
        "challenge": float(f1[:3].mean()),
        **{f"f1_{name}": float(score) for name, score in zip(("N", "A", "O", "noise"), f1, strict=True)},
        "f1_windows": float(f1_scores(predicted, targets["y"]).mean()),
        "records": float(len(truth)),
        **clean,
    }


def _unseen(predicted: np.ndarray, targets: Targets) -> dict[str, float]:
    rows = targets["unseen"] != 0
    if not rows.any():
        return {"records_unseen": 0.0}
    truth, votes = vote(predicted[rows], targets["y"][rows], targets["group"][rows])
    return {"f1_unseen": float(f1_scores(votes, truth).mean()), "records_unseen": float(len(truth))}
