"""Log-mel patches of a clip's chunks, all chunks at once."""

from functools import cache

import numpy as np
from librosa.filters import mel as mel_filters
from scipy.fft import rfft

N_FFT, WINDOW = 1920, 661  # 96 * 20, and 30 ms at 22,050 Hz
TOP_DB = 80.0  # floor below a patch's maximum, and smallest power: librosa's defaults
MINIMUM_POWER = 1e-10
OFFSET_DB = 75.0


def chunks(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    """(n, size) chunks that start every ``hop`` samples up to the end; what is shorter than a chunk is tiled."""
    if len(signal) < size:
        return np.resize(signal, (1, size))
    starts = range(0, len(signal), hop)
    return np.stack([np.resize(signal[start : start + size], size) for start in starts])


def log_mel(chunks: np.ndarray, sample_rate: int, n_mels: int, hop: int, *, scale: str = "htk") -> np.ndarray:
    """Patches (n, n_mels, 1 + size // hop) in decibels, each with mean zero.

    Equals, patch by patch, ``librosa.power_to_db(librosa.feature.melspectrogram(...)) + 75`` less its mean, with
    n_fft 1920, win_length 661 and reflection at the ends.

    Args:
        chunks: (n, size) samples in -1 ... 1.
        sample_rate: in Hz.
        n_mels: bands from 0 Hz to half the sample rate.
        hop: samples between frames.
        scale: ``htk``, bands of height one (as published: torchaudio's), or ``slaney``, of area one (librosa's).
    """
    # A frame is 1,920 samples, but the window is zero beyond its central 661, and power knows no shift: so transform
    # those 661 only, and pad the ends by what they reach over.
    margin = N_FFT // 2 - (N_FFT - WINDOW) // 2
    padded = np.pad(chunks.astype(np.float32), ((0, 0), (margin, margin)), mode="reflect")
    count = 1 + chunks.shape[1] // hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::hop][:, :count]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    spectrum = rfft(frames * window.astype(np.float32), n=N_FFT, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.maximum(power @ _filters(sample_rate, n_mels, scale).T, MINIMUM_POWER).transpose(0, 2, 1)
    decibels = 10 * np.log10(mel)
    decibels = np.maximum(decibels, decibels.max(axis=(1, 2), keepdims=True) - TOP_DB) + OFFSET_DB
    return decibels - decibels.mean(axis=(1, 2), keepdims=True)


@cache
def _filters(sample_rate: int, n_mels: int, scale: str) -> np.ndarray:
    """(n_mels, 961) float32."""
    htk = scale == "htk"
    return mel_filters(sr=sample_rate, n_fft=N_FFT, n_mels=n_mels, htk=htk, norm=None if htk else "slaney")
