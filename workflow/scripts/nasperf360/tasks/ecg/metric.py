"""ECG is scored by the mean F1 of the four classes; the windows of a record vote."""

import numpy as np

from nasperf360.tasks.ecg.spec import LABELS
from nasperf360.tasks.shared.metrics import Targets


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """F1 of the votes of records, from the logits (N, 4) of their windows: mean of the four classes, as published."""
    truth, votes = vote(outputs.argmax(axis=1), targets["y"], targets["group"])
    return float(f1_scores(votes, truth).mean())


def vote(predicted: np.ndarray, labels: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and majority vote of each record, given the classes of its windows; of a tie, the class seen first."""
    _, first_window, record = np.unique(group, return_index=True, return_inverse=True)
    windows = len(predicted)
    counts = np.zeros((len(first_window), len(LABELS)), np.int64)
    np.add.at(counts, (record, predicted), 1)
    first_seen = np.full_like(counts, windows)
    np.minimum.at(first_seen, (record, predicted), np.arange(windows))
    return labels[first_window], np.argmax(counts * (windows + 1) - first_seen, axis=1)


def f1_scores(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """F1 of each of the four classes; 0 for one that neither occurs nor is predicted."""
    classes = np.arange(len(LABELS))[:, None]
    hits = ((predicted == classes) & (truth == classes)).sum(axis=1)
    total = (predicted == classes).sum(axis=1) + (truth == classes).sum(axis=1)
    return 2.0 * hits / np.maximum(1, total)
