"""The reward of ENAS: the mean AUROC of an architecture's outputs, in numpy, or where a GPU has them.

A search takes it thousands of times: for Satellite's 100,000 samples the ranks of 24 classes cost a CPU more than the
network costs a GPU.
"""

import numpy as np
import torch
from torch import Tensor

from nasperf360.tasks.shared import ranking
from nasperf360.tasks.shared.metrics import Targets


def mean_auroc(outputs: np.ndarray, targets: Targets) -> float:
    """Mean over labels of the area under the ROC curve, of each class against the rest; labels of one class aside.

    Args:
        outputs: logits (N, classes).
        targets: of which ``y`` holds classes (N,) or labels (N, classes).
    """
    labels = np.asarray(targets["y"])
    if labels.ndim == 2:
        areas = ranking.auroc(outputs, labels)
    else:
        areas = ranking.auroc(_softmax(outputs), labels[:, None] == np.arange(outputs.shape[1]))
    return float(np.nanmean(areas))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def mean_auroc_on_device(outputs: Tensor, y: Tensor) -> float:
    """The same but for the rounding of the softmax; one number is read back.

    Args:
        outputs: logits (N, classes).
        y: classes (N,) or labels (N, classes), on the same device.
    """
    if y.ndim == 2:
        areas = auroc(outputs, y != 0)
    else:
        areas = auroc(outputs.softmax(1), y[:, None] == torch.arange(outputs.shape[1], device=y.device))
    return float(areas.nanmean())


def auroc(scores: Tensor, positive: Tensor) -> Tensor:
    """:func:`ranking.auroc` on tensors. A GPU searches sorted columns fast, a CPU slowly.

    Args:
        scores: (N, labels), larger is more likely positive.
        positive: (N, labels), boolean.
    """
    columns, of_label = scores.T.contiguous(), positive.T
    ordered = columns.sort(1).values
    below, to_here = (torch.searchsorted(ordered, columns, right=right) for right in (False, True))
    ranks = (below + to_here + 1).double() / 2  # ties at their mean: half-integers, whose sums are exact
    count = of_label.sum(1).double()
    pairs = count * (len(scores) - count)
    return ((ranks * of_label).sum(1) - count * (count + 1) / 2) / pairs  # 0 / 0 is NaN
