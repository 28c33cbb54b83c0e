"""Clips ranked by each label."""

import numpy as np

from nasperf360.tasks.fsd50k.metric import clips
from nasperf360.tasks.shared.drawn_rankings import AveragePrecisions
from nasperf360.tasks.shared.metrics import Targets


def per_sample(outputs: np.ndarray, targets: Targets) -> AveragePrecisions:
    """Of the logits (N, 200) of chunks."""
    return AveragePrecisions(*clips(outputs, targets))
