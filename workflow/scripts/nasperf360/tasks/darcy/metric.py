"""Darcy Flow is scored by the relative l2 error of the solution in its own units."""

import numpy as np

from nasperf360.tasks.shared.metrics import Targets


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """Mean relative l2 error over samples, of solutions (N, 1, s, s)."""
    return float(relative_errors(outputs, targets).mean())


def relative_errors(outputs: np.ndarray, targets: Targets) -> np.ndarray:
    """Of each sample (N,)."""
    y = targets["y"].reshape(len(outputs), -1).astype(np.float64)
    error = outputs.reshape(len(outputs), -1) - y
    return np.linalg.norm(error, axis=1) / np.linalg.norm(y, axis=1)
