"""PSICOV is scored by the mean absolute error of long-range contacts, MAE8."""

import numpy as np

from nasperf360.errors import DataError
from nasperf360.tasks.psicov.contacts import long_range_contacts
from nasperf360.tasks.psicov.spec import PAD
from nasperf360.tasks.shared.metrics import Targets

FLOOR = 0.01  # Angstrom, smallest prediction


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """MAE8, of distances (N, 1, s, s), on test proteins (which have a length), in Angstrom; the error of crops else.

    MAE8: absolute error over pairs of residues at least 24 apart whose true distance is at most 8 A, averaged per
    protein and then over the proteins that have such a pair. Both triangles of a prediction are averaged first.

    Raises:
        DataError: no protein has such a pair.
    """
    if "length" not in targets:
        return float(np.abs(outputs - targets["y"]).mean(dtype=np.float64))
    errors = contact_errors(outputs, targets)
    if not errors:
        raise DataError("psicov: no long-range contact in the split; simulate longer proteins")
    return float(np.mean(errors))


def contact_errors(outputs: np.ndarray, targets: Targets) -> list[float]:
    """Mean absolute error over the long-range contacts of each test protein that has any."""
    errors = []
    for output, truth, length in zip(outputs, targets["y"], targets["length"], strict=True):
        inside = slice(PAD, PAD + int(length))
        predicted, distances = output[0, inside, inside].astype(np.float64), truth[0, inside, inside]
        predicted = np.maximum((predicted + predicted.T) / 2, FLOOR)
        chosen = long_range_contacts(distances)
        if chosen.any():
            errors.append(np.abs(predicted - distances)[chosen].mean())
    return errors
