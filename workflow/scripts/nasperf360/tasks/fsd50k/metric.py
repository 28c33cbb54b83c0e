"""FSD50K is scored by mean average precision; a clip's prediction is the mean of its chunks' logits."""

import numpy as np

from nasperf360.errors import DataError
from nasperf360.tasks.shared.metrics import Targets
from nasperf360.tasks.shared.ranking import average_precision


def metric(outputs: np.ndarray, targets: Targets) -> float:
    """Mean average precision, of the logits (N, 200) of chunks, over the labels that occur in the split.

    The reference's sigmoid of a clip's mean logit changes no rank.

    Raises:
        DataError: no label occurs.
    """
    scores, positive = clips(outputs, targets)
    precisions = average_precision(scores, positive)
    scored = precisions[~np.isnan(precisions)]
    if not len(scored):
        raise DataError("fsd50k: no label occurs in the split, so average precision is undefined")
    return float(scored.mean())


def clips(outputs: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Mean logits of each clip and its labels, both (clips, 200)."""
    _, first, group, sizes = np.unique(targets["group"], return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(first), outputs.shape[1]))
    np.add.at(sums, group, outputs)
    return sums / sizes[:, None], targets["y"][first]
