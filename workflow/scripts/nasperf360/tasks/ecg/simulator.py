"""Raw ECG records: ``training2017/<id>.{mat,hea}`` and ``RECORDS``, and ``REFERENCE-v3.csv``, as PhysioNet serves them.

Beats are sums of Gaussian waves (P, Q, R, S, T) at random times and of either sign (electrodes are often swapped):
normal; atrial fibrillation, with irregular beats and a fibrillating baseline for the P wave; other, with broad beats;
and noise. Some records are as noisy as real ones, so that no network gets them all.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from nasperf360.tasks.ecg.spec import LABELS, SimulateSettings

RATE = 300  # Hz

# Delay to the R peak (s), height (mV) and width (s) of the waves P, Q, R, S, T.
WAVES = np.array(
    [[-0.17, 0.15, 0.022], [-0.035, -0.12, 0.010], [0.0, 1.0, 0.011], [0.035, -0.25, 0.011], [0.26, 0.3, 0.05]]
)


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``training2017/`` and ``REFERENCE-v3.csv``."""
    archive = folder / "training2017"
    archive.mkdir(parents=True, exist_ok=True)
    labels = rng.permutation(np.repeat(np.arange(len(LABELS)), options.counts))
    names = [f"A{number:05d}" for number in range(1, len(labels) + 1)]
    written: list[tuple[Path, str, dict[str, Any]]] = []
    for name, label in zip(names, labels, strict=True):
        shortest, longest = (round(RATE * seconds) for seconds in options.seconds)
        length = int(rng.integers(shortest, longest + 1))
        signal = np.round(1000.0 * _millivolts(LABELS[label], length, rng)).astype(np.int16)
        savemat(archive / f"{name}.mat", {"val": signal[None]}, format="4")
        (archive / f"{name}.hea").write_text(
            f"{name} 1 {RATE} {length} 00:00:00 1/01/2000 \n{name}.mat 16+24 1000/mV 16 0 {signal[0]} 0 0 ECG \n",
            encoding="utf-8",
        )
        written += [(archive / f"{name}{suffix}", "records", {}) for suffix in (".mat", ".hea")]
    (archive / "RECORDS").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    reference = folder / "REFERENCE-v3.csv"
    lines = [f"{name},{LABELS[label]}\n" for name, label in zip(names, labels, strict=True)]
    reference.write_text("".join(lines), encoding="utf-8")
    return [*written, (archive / "RECORDS", "records", {}), (reference, "labels", {})]


def _millivolts(label: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """A signal (length,) of one class, in mV."""
    time = np.arange(length) / RATE
    wander = 0.1 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.4) * time + rng.random()))
    background = wander + rng.normal(0.0, rng.choice([0.02, 0.05, 0.12]), length)
    if label == "~":
        walk = np.cumsum(rng.normal(0.0, 0.03, length))
        bursts = rng.normal(0.0, 0.5, length) * (np.sin(2 * np.pi * (0.3 * time + rng.random())) > 0)
        return np.clip(background + bursts + walk - walk.mean(), -8.0, 8.0)
    waves = WAVES.copy()
    waves[:, 1] *= rng.uniform(0.8, 1.25, len(waves))
    jitter = 0.04
    if label == "A":
        waves[0, 1] *= 0.1
        jitter = 0.25
        rate, phase = rng.uniform(5.0, 8.0), rng.random()
        background += rng.uniform(0.06, 0.18) * np.sin(
            2 * np.pi * rate * time + 3.0 * np.sin(2 * np.pi * (0.7 * time + phase))
        )
    elif label == "O":
        waves[1:4, 2] *= rng.uniform(1.2, 2.2)  # conduction block: a broad complex
        waves[4, 1] *= rng.choice([-1.0, 0.3])
    gaps = 60.0 / rng.uniform(60.0, 100.0) * (1.0 + jitter * rng.uniform(-1.0, 1.0, int(4 * time[-1]) + 4))
    beats = np.cumsum(gaps) - gaps[0] * (1.0 + rng.random())
    beats = np.r_[-np.inf, beats, np.inf]
    following = np.searchsorted(beats, time)
    offsets = time - np.stack([beats[following - 1], beats[following]])  # to the beat before and the beat after
    signal = np.zeros(length)
    for delay, height, width in waves:
        signal += height * np.exp(-0.5 * ((offsets - delay) / width) ** 2).sum(axis=0)
    return rng.choice([-1.0, 1.0], p=[0.3, 0.7]) * signal + background
