"""Log-mel spectrograms, of a clip's chunks or of all of it."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from librosa.filters import mel as mel_filters
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

N_FFT, WINDOW = 1920, 661  # 96 * 20, and 30 ms at 22,050 Hz
TOP_DB = 80.0  # floor below a patch's maximum, and smallest power: librosa's defaults
MINIMUM_POWER = 1e-10
OFFSET_DB = 75.0
FRAMES = 51  # transformed at a time: their spectra, 0.4 MB, stay in a core's cache; half a chunk's
TOGETHER = 8  # bands that are summed up at a time: of a spectrum each needs a few bins

WEIGHTS = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
"""Hann's window."""

Bands = tuple[slice, slice, np.ndarray]
"""Which bands, which columns of squares, and the weight of each square in each band."""


def chunks(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    """(n, size) chunks that start every ``hop`` samples up to the end; what is shorter than a chunk is tiled."""
    if len(signal) < size:
        return np.resize(signal, (1, size))
    starts = range(0, len(signal), hop)
    return np.stack([np.resize(signal[start : start + size], size) for start in starts])


def log_mel(signals: np.ndarray, sample_rate: int, n_mels: int, hop: int, *, scale: str = "htk") -> np.ndarray:
    """Spectrograms (n, n_mels, 1 + size // hop) in decibels, each with mean zero.

    Equals, one by one, ``librosa.power_to_db(librosa.feature.melspectrogram(...)) + 75`` less its mean, with
    n_fft 1920, win_length 661 and reflection at the ends.

    Args:
        signals: (n, size) samples in -1 ... 1, chunks or whole clips.
        sample_rate: in Hz.
        n_mels: bands from 0 Hz to half the sample rate.
        hop: samples between frames.
        scale: ``htk``, bands of height one (as published: torchaudio's), or ``slaney``, of area one (librosa's).
    """
    # A frame is 1,920 samples, but the window is zero beyond its central 661, and power knows no shift: so transform
    # those 661 only, and pad the ends by what they reach over.
    margin = N_FFT // 2 - (N_FFT - WINDOW) // 2
    padded = np.pad(signals.astype(np.float32, copy=False), ((0, 0), (margin, margin)), mode="reflect")
    frames = sliding_window_view(padded, WINDOW, axis=1)[:, ::hop][:, : 1 + signals.shape[1] // hop]
    decibels = np.empty((len(signals), n_mels, frames.shape[1]), np.float32)
    windowed = np.zeros((min(FRAMES, frames.shape[1]), N_FFT), np.float32)
    bands = _bands(sample_rate, n_mels, scale)
    for signal, found in zip(frames, decibels, strict=True):
        for start in range(0, len(signal), FRAMES):
            _power(signal[start : start + FRAMES], windowed, bands, found[:, start : start + FRAMES])
    np.log10(np.maximum(decibels, MINIMUM_POWER, out=decibels), out=decibels)
    decibels *= 10
    np.maximum(decibels, decibels.max(axis=(1, 2), keepdims=True) - TOP_DB, out=decibels)
    decibels += OFFSET_DB
    decibels -= decibels.mean(axis=(1, 2), keepdims=True)
    return decibels


def _power(frames: np.ndarray, windowed: np.ndarray, bands: Sequence[Bands], out: np.ndarray) -> None:
    """The power in each band of frames (n, 661) into ``out`` (n_mels, n); rows of ``windowed`` end in zeros."""
    windowed = windowed[: len(frames)]
    np.multiply(frames, WEIGHTS, out=windowed[:, :WINDOW])
    squares = rfft(windowed).view(np.float32)
    np.square(squares, out=squares)  # of real and imaginary parts, side by side
    for rows, columns, weights in bands:
        np.matmul(weights, squares[:, columns].T, out=out[rows])


@cache
def _bands(sample_rate: int, n_mels: int, scale: str) -> tuple[Bands, ...]:
    """The mel filters, some bands at a time, each with the bins that they are not zero at, and those weights twice."""
    htk = scale == "htk"
    filters = mel_filters(sr=sample_rate, n_fft=N_FFT, n_mels=n_mels, htk=htk, norm=None if htk else "slaney")
    found = []
    for first in range(0, n_mels, TOGETHER):
        rows = slice(first, min(first + TOGETHER, n_mels))
        bins = np.flatnonzero(filters[rows].any(axis=0))
        low, high = (bins[0], bins[-1] + 1) if len(bins) else (0, 1)
        weights = np.repeat(filters[rows, low:high], 2, axis=1)
        found.append((rows, slice(2 * low, 2 * high), np.ascontiguousarray(weights)))
    return tuple(found)
