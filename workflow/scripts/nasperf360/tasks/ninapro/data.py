"""NinaPro from its recordings: ``x`` windows of 52 samples, as images (1, 16, 52) float32; ``y`` int64.

Raw files: ``sN/SN_E2_A1.mat`` of role ``recordings`` (exercise B, 17 movements, one file per subject). Nobody published
how the study's 3,956 windows were cut and drawn; the rule here is ours, and the sizes are those of the study.
"""

import re
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.data.reading import each
from nasperf360.errors import DataError
from nasperf360.seeds import generator
from nasperf360.tasks.ninapro.spec import CHANNELS, SPEC, PreprocessSettings
from nasperf360.tasks.shared.matlab import read_matlab

WINDOW = 52  # samples: 260 ms at 200 Hz
EXERCISE = "*_E2_A1.mat"


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Cut windows, draw a class-balanced subset of ``options.windows``, split it 4:1:1."""
    paths = sorted((file.path for file in raw.all("recordings", EXERCISE)), key=_natural)
    labels, starts, sources = [], [], []
    for source, (movement, repetition) in enumerate(each(paths, read_labels)):
        found = window_starts(movement, repetition)
        labels.append(movement[found])
        starts.append(found)
        sources.append(np.full(len(found), source))
    label, start, recording = np.concatenate(labels), np.concatenate(starts), np.concatenate(sources)

    rng = generator("ninapro", "windows")
    chosen = balanced_subset(label, options.windows, rng, raw.manifest)
    label, start, recording = label[chosen], start[chosen], recording[chosen]
    windows = np.empty((len(chosen), 1, CHANNELS, WINDOW), np.float32)
    for source, path in enumerate(paths):
        mine = np.flatnonzero(recording == source)
        windows[mine, 0] = cut_windows(read_emg(path), start[mine])

    order = rng.permutation(len(chosen))
    held_out = len(chosen) // 6
    parts = {"train": order[2 * held_out :], "valid": order[:held_out], "test": order[held_out : 2 * held_out]}
    for name, rows in parts.items():
        write_split(writer, name, windows[rows], label[rows], raw.manifest)


def write_split(writer: DatasetWriter, name: str, windows: np.ndarray, labels: np.ndarray, source: Path) -> None:
    """Write windows (N, 1, channels, 52) and labels (N,) of one split."""
    split = writer.split(
        name, x=((1, CHANNELS, WINDOW), "float32"), y=((), "int64"), classes=SPEC.outputs, source=source
    )
    split.append(x=windows, y=labels)


def read_labels(path: Path, classes: int = SPEC.outputs) -> tuple[np.ndarray, np.ndarray]:
    """Movement and repetition of each sample (T,), as relabelled a posteriori; both 0 at rest.

    Raises:
        DataError: the file is damaged, lacks an array, or holds a label out of range.
    """
    arrays = read_matlab(path, "restimulus", "rerepetition")
    for name, values in arrays.items():
        if not (np.abs(values) <= np.iinfo(np.int16).max).all():  # NaN is not
            raise DataError(f"{path}: '{name}' holds values that are no small whole numbers")
    movement, repetition = (arrays[name].ravel().astype(np.int64) for name in ("restimulus", "rerepetition"))
    if len(movement) != len(repetition):
        raise DataError(f"{path}: {len(movement)} samples in 'restimulus' but {len(repetition)} in 'rerepetition'")
    if len(movement) and (movement.min() < 0 or movement.max() >= classes):
        raise DataError(
            f"{path}: labels {movement.min()} to {movement.max()} in 'restimulus', allowed are 0 to {classes - 1}; "
            f"exercise B of DB5 is expected"
        )
    return movement, repetition


def read_emg(path: Path, channels: int = CHANNELS) -> np.ndarray:
    """The EMG (T, channels) in the units of the file, float32.

    Raises:
        DataError: the file is damaged, lacks the arrays, or they have the wrong shape or NaN.
    """
    arrays = read_matlab(path, "emg", "restimulus")
    emg, expected = arrays["emg"], (arrays["restimulus"].size, channels)
    if emg.shape != expected:
        raise DataError(f"{path}: 'emg' has shape {emg.shape}, expected {expected}")
    if not np.isfinite(emg).all():
        raise DataError(f"{path}: NaN or infinity in 'emg'")
    return emg.astype(np.float32)


def window_starts(movement: np.ndarray, repetition: np.ndarray) -> np.ndarray:
    """First samples of windows side by side, each within one run of constant movement and repetition."""
    change = (np.diff(movement) != 0) | (np.diff(repetition) != 0)
    begins = np.flatnonzero(np.r_[True, change]) if len(movement) else np.empty(0, np.int64)
    counts = np.diff(np.r_[begins, len(movement)]) // WINDOW
    within_run = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(begins, counts) + WINDOW * within_run


def cut_windows(emg: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Windows (N, channels, 52) of an EMG (T, channels)."""
    if not len(starts):
        return np.empty((0, emg.shape[1], WINDOW), emg.dtype)
    return np.lib.stride_tricks.sliding_window_view(emg, WINDOW, axis=0)[starts]


def balanced_subset(labels: np.ndarray, size: int, rng: np.random.Generator, source: Path) -> np.ndarray:
    """Ascending indices of ``size`` samples, drawn so that the classes are as equal as their numbers allow.

    Raises:
        DataError: there are fewer than ``size`` samples.
    """
    if size > len(labels):
        raise DataError(
            f"{source}: {len(labels)} windows in the recordings, but preprocess.ninapro.windows asks for {size}; "
            f"lower it"
        )
    # A random rank within the class, then all first ranks, all second ranks, ...: small classes are taken whole.
    order = rng.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[np.argsort(rank[order], kind="stable")[:size]])


def _natural(path: Path) -> list[int | str]:
    """Sort key by which s2 comes before s10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
