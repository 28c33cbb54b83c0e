"""Decibels as they are stored: whole numbers of 16 bits, half of what float32 takes on disk, in memory and to read.

The chunks of a clip overlap, but share no frame that could be stored once: half a second is no multiple of the hop of
220 samples. Rounding errs by 0.0012 dB at the most, by 0.0007 in the root mean square; half of the last bit of the
sound moves patches of real clips by 1.5.
"""

from pathlib import Path

import numpy as np

from nasperf360.errors import DataError

STEP = 80 / 32_767  # dB; a patch spans 80 dB at the most, its mean is zero


def in_steps(decibels: np.ndarray, path: str | Path) -> np.ndarray:
    """Spectrograms, each of a mean of zero, in steps: int16.

    Raises:
        DataError: one is not finite; ``path`` holds its sound.
    """
    if not np.isfinite(decibels).all():
        raise DataError(f"{path}: NaN, infinity or far too large values among its samples")
    return np.rint(decibels / np.float32(STEP)).astype(np.int16)
