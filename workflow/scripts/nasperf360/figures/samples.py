"""Ours: samples of a task as its data set holds them: images, spectrograms, fields with their targets, signals."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasperf360.figures import style

WIDTH, HEIGHT = 1.7, 1.75  # inches of a sample
OUTLIERS = 1  # percent of the values at each end that may saturate: a cosmic ray is brighter than all stars
LONGEST = 120  # steps of a sequence of letters that can be told apart


def draw(inputs: np.ndarray, targets: np.ndarray, dense: bool) -> Figure:
    """Samples side by side, of a dense task with the targets below.

    Args:
        inputs: (N, channels, height, width) or (N, channels, length).
        targets: (N,) classes, (N, labels) of several labels, or of a dense task (N, 1, height, width).
        dense: whether targets are fields.
    """
    rows = 2 if dense else 1
    with style.context():
        figure = Figure(figsize=(WIDTH * len(inputs), HEIGHT * rows))
        panels = figure.subplots(rows, len(inputs), squeeze=False)
        for column, (sample, target) in enumerate(zip(inputs, targets, strict=True)):
            axes = panels[0, column]
            _sample(axes, sample)
            axes.set_title(_words(target, dense), fontsize=8)
            if dense:
                _field(panels[1, column], target[0])
                panels[1, column].set_title("target", fontsize=8)
        return figure


def _words(target: np.ndarray, dense: bool) -> str:
    if dense:
        return "input"
    if target.ndim == 0:
        return f"class {int(target)}"
    return f"{int(target.sum())} of {target.size} labels"


def _sample(axes: Axes, sample: np.ndarray) -> None:
    if sample.ndim == 3 and sample.shape[0] == 3:
        axes.imshow(np.moveaxis(sample, 0, -1).astype(np.uint8), interpolation="nearest")
        axes.set_axis_off()
    elif sample.ndim == 3:
        _field(axes, sample[0])
    elif sample.shape[0] == 1:
        axes.plot(sample[0], lw=0.7, color="#0072B2")
        axes.tick_params(labelsize=6)
    else:  # one channel per letter of a sequence
        _field(axes, sample[:, :LONGEST])
        axes.set_aspect("auto")


def _field(axes: Axes, values: np.ndarray) -> None:
    low, high = np.percentile(values, [OUTLIERS, 100 - OUTLIERS])
    limits = (low, high) if high > low else (values.min(), values.max())
    axes.imshow(values, interpolation="nearest", cmap="viridis", vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_axis_off()
