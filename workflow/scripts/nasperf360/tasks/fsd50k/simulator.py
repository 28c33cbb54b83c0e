"""Simulated FSD50K: wave files and ground truth in the original layout.

A sound is three tones, an octave apart, that sweep up or down through an octave again and again. Its kind is speed and
direction. The 200 labels are the two directions, as ancestors, and many labels per kind, each of which a clip of that
kind has or lacks by chance. Phase, base and loudness are random and every band is swept equally often, so the mean
spectrum says nothing: the kind lies in the slope of lines in the spectrogram, which a linear model cannot see.
"""

import csv
import wave
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.tasks.fsd50k.spec import LABELS, RAW_RATE, SimulateSettings

SPEEDS = (-7.0, -3.0, 3.0, 7.0)  # octaves per second
FALLING, RISING = LABELS - 2, LABELS - 1
LOWEST, TONES = 600.0, 3  # Hz
SPLITS = {"train": "train", "valid": "val"}  # in dev.csv


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write ``FSD50K.{dev,eval}_audio/<id>.wav`` and ``FSD50K.ground_truth/*.csv``."""
    truth = folder / "FSD50K.ground_truth"
    truth.mkdir(parents=True, exist_ok=True)
    names = [_name(label) for label in range(FALLING)] + ["Falling", "Rising"]
    mids = [f"/m/sim{label:03d}" for label in range(LABELS)]
    vocabulary = truth / "vocabulary.csv"
    with open(vocabulary, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(zip(range(LABELS), names, mids, strict=True))

    files: list[tuple[Path, str, dict[str, Any]]] = [(vocabulary, "ground_truth", {})]
    number = 1000
    for part, splits in (("dev", {"train": options.train, "valid": options.valid}), ("eval", {"test": options.test})):
        audio = folder / f"FSD50K.{part}_audio"
        audio.mkdir(parents=True, exist_ok=True)
        with open(truth / f"{part}.csv", "w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(["fname", "labels", "mids"] + (["split"] if part == "dev" else []))
            for split, count in splits.items():
                for _ in range(count):
                    number += int(rng.integers(1, 9))
                    sound, labels = _clip(options, rng)
                    path = audio / f"{number}.wav"
                    _write(path, sound)
                    row = [
                        number,
                        ",".join(names[label] for label in labels),
                        ",".join(mids[label] for label in labels),
                    ]
                    table.writerow(row + ([SPLITS[split]] if part == "dev" else []))
                    files.append((path, f"{part}_audio", {}))
        files.append((truth / f"{part}.csv", "ground_truth", {}))
    return files


def _name(label: int) -> str:
    speed = SPEEDS[label % len(SPEEDS)]
    return f"{'Rising' if speed > 0 else 'Falling'}_{abs(speed):.0f}_sort_{label // len(SPEEDS)}"


def _clip(options: SimulateSettings, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Samples in -1 ... 1, and label indices with their ancestors."""
    shortest, longest = options.seconds
    seconds = np.arange(int(RAW_RATE * rng.uniform(shortest, longest)), dtype=np.float32) / RAW_RATE
    kinds = rng.choice(len(SPEEDS), size=1 + int(rng.random() < options.second_sound), replace=False)
    signal = options.noise * rng.standard_normal(len(seconds), dtype=np.float32)
    labels = set()
    for kind in kinds:
        octave = np.mod(SPEEDS[kind] * seconds + rng.uniform(), 1)
        turns = np.cumsum(np.exp2(octave.astype(np.float32)) * np.float32(LOWEST / RAW_RATE), dtype=np.float64)
        loudness = rng.uniform(0.5, 1.5)
        for tone in range(TONES):
            signal += loudness * np.sin(2 * np.pi * np.mod(turns * 2**tone, 1).astype(np.float32))
        own = np.arange(kind, FALLING, len(SPEEDS))
        labels |= {RISING if SPEEDS[kind] > 0 else FALLING, *own[rng.random(len(own)) < options.present].tolist()}
    return 0.9 * rng.uniform(0.2, 1) * signal / np.abs(signal).max(), sorted(labels)


def _write(path: Path, sound: np.ndarray) -> None:
    """Mono, 16 bits, 44.1 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RAW_RATE)
        file.writeframes(np.round(32767 * sound).astype("<i2").tobytes())
