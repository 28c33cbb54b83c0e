"""FSD50K's log-mel spectrograms against librosa called chunk by chunk, for short, medium and long clips.

    PYTHONPATH=workflow/scripts python benchmarks/log_mel.py [--turns 9]

Best of many turns, each way in turn, on one thread. ``melspectrogram`` makes its filters anew for each chunk; the last
column is against librosa's transform with filters that are kept.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import librosa
import numpy as np

from nasperf360.tasks.fsd50k.data import CHUNK, CHUNK_HOP, RATE
from nasperf360.tasks.fsd50k.log_mel import N_FFT, OFFSET_DB, WINDOW, chunks, log_mel
from nasperf360.tasks.fsd50k.spec import PreprocessSettings

SECONDS = (1.5, 10, 30)
OPTIONS = PreprocessSettings()
TRANSFORM = {"n_fft": N_FFT, "win_length": WINDOW, "hop_length": OPTIONS.hop, "pad_mode": "reflect"}
MELS = {"sr": RATE, "n_mels": OPTIONS.n_mels, "htk": True, "norm": None}


def by_librosa(chunk: np.ndarray) -> np.ndarray:
    """A patch, by its function for just that."""
    return centred(librosa.feature.melspectrogram(y=chunk, **TRANSFORM, **MELS))


def by_kept_filters(chunk: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """A patch, with filters made before."""
    return centred(filters @ np.abs(librosa.stft(chunk, **TRANSFORM)) ** 2)


def centred(power: np.ndarray) -> np.ndarray:
    """In decibels, with mean zero."""
    decibels = librosa.power_to_db(power) + OFFSET_DB
    return decibels - decibels.mean()


def main(turns: int) -> None:
    """Print the table."""
    filters = librosa.filters.mel(n_fft=N_FFT, **MELS)
    print("| clip, s | chunks | librosa, ms a chunk | its filters kept | here | librosa / here | kept / here |")
    print("|---|---|---|---|---|---|---|")
    for seconds in SECONDS:
        signal = np.random.default_rng(0).uniform(-0.5, 0.5, int(seconds * RATE)).astype(np.float32)
        pieces = chunks(signal, CHUNK, CHUNK_HOP)
        ways: list[Callable[[], object]] = [
            lambda pieces=pieces: [by_librosa(piece) for piece in pieces],
            lambda pieces=pieces: [by_kept_filters(piece, filters) for piece in pieces],
            lambda pieces=pieces: log_mel(pieces, RATE, OPTIONS.n_mels, OPTIONS.hop, scale=OPTIONS.mel_scale),
        ]
        best = [float("inf")] * len(ways)
        for _ in range(turns):
            for number, way in enumerate(ways):
                start = time.process_time()
                way()
                best[number] = min(best[number], 1000 * (time.process_time() - start) / len(pieces))
        librosa_s, kept, here = best
        print(
            f"| {seconds:g} | {len(pieces)} | {librosa_s:.2f} | {kept:.2f} | {here:.2f} "
            f"| {librosa_s / here:.1f} | {kept / here:.1f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9)
    main(parser.parse_args().turns)
