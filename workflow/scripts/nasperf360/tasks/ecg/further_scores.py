"""F1 of ECG as the challenge averages it, of each class, and without votes."""

import numpy as np

from nasperf360.tasks.ecg.metric import f1_scores, vote
from nasperf360.tasks.shared.metrics import Targets


def further_scores(outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """``challenge``: mean of N, A and O, the score of the 2017 challenge; ``f1_windows``: of windows, not of votes."""
    predicted = outputs.argmax(axis=1)
    truth, votes = vote(predicted, targets["y"], targets["group"])
    f1 = f1_scores(votes, truth)
    return {
        "challenge": float(f1[:3].mean()),
        **{f"f1_{name}": float(score) for name, score in zip(("N", "A", "O", "noise"), f1, strict=True)},
        "f1_windows": float(f1_scores(predicted, targets["y"]).mean()),
        "records": float(len(truth)),
    }
