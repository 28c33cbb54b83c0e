"""DeepSEA is scored by the mean AUROC of its labels."""

import numpy as np

from nasperf360.errors import DataError
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.ranking import auroc


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """Mean AUROC, of logits (N, 36), over the labels of which the split has both classes.

    Raises:
        DataError: no label has both classes.
    """
    areas = auroc(outputs, targets["y"])
    scored = areas[~np.isnan(areas)]
    if not len(scored):
        raise DataError("deepsea: no label has both classes, so AUROC is undefined; set keep_negatives: true")
    return float(scored.mean())
