"""Raw NinaPro DB5 recordings: ``sN/SN_E2_A1.mat`` (MATLAB v5) with the arrays of the original.

EMG is noise of zero mean whose strength per electrode and whose spectrum depend on the movement, so that a class shows
in second moments only. Exercises A and C, which the task does not read, are left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from nasperf360.tasks.ninapro.spec import CHANNELS, MOVEMENTS, SimulateSettings
from nasperf360.tasks.shared.matlab import without_date

RATE = 200  # Hz
UNSTEADY = 40  # samples over which a muscle keeps its strength
REACTION = 0.1  # seconds by which the hand follows the command


def simulate(
    folder: Path, options: SimulateSettings, rng: np.random.Generator
) -> list[tuple[Path, str, dict[str, Any]]]:
    """Write one recording per subject, ``sN/SN_E2_A1.mat``."""
    # Which electrodes a movement drives (log strength), and how fast its muscle fibres fire.
    strength = rng.normal(0.0, 0.7, (MOVEMENTS + 1, CHANNELS))
    strength[0] = -2.5
    colour = rng.uniform(-0.5, 0.5, MOVEMENTS + 1)

    written: list[tuple[Path, str, dict[str, Any]]] = []
    for subject in range(1, options.subjects + 1):
        command, repetition = _protocol(options)
        delay = round(REACTION * RATE)
        movement, rerepetition = (np.r_[np.zeros(delay, np.uint8), values[:-delay]] for values in (command, repetition))
        own = strength + rng.normal(0.0, 0.3, CHANNELS)  # electrodes never sit in the same place twice
        path = folder / f"s{subject}" / f"S{subject}_E2_A1.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        length = len(command)
        savemat(
            path,
            {
                "subject": np.uint8(subject),
                "exercise": np.uint8(2),
                "age": np.uint8(rng.integers(20, 40)),
                "gender": "m" if rng.random() < 0.5 else "f",
                "laterality": "r",
                "height": float(rng.integers(155, 195)),
                "weight": float(rng.integers(50, 95)),
                "emg": _emg(movement, rerepetition, own, colour, rng),
                "acc": rng.normal(0.0, 0.05, (length, 3)).astype(np.float32),
                "glove": np.round(rng.normal(0.0, 5.0, (length, 22))).astype(np.float32),
                "stimulus": command[:, None],
                "restimulus": movement[:, None],
                "repetition": repetition[:, None],
                "rerepetition": rerepetition[:, None],
            },
        )
        without_date(path)
        written.append((path, "recordings", {}))
    return written


def _protocol(options: SimulateSettings) -> tuple[np.ndarray, np.ndarray]:
    """Commanded movement and its repetition per sample: each movement several times, rest (0, 0) after each."""
    lengths = (round(options.movement_seconds * RATE), round(options.rest_seconds * RATE))
    movement = np.repeat(np.arange(1, MOVEMENTS + 1), options.repetitions)
    repetition = np.tile(np.arange(1, options.repetitions + 1), MOVEMENTS)
    command, number = (
        np.repeat(np.stack([values, np.zeros_like(values)], axis=1).ravel(), np.tile(lengths, len(values)))
        for values in (movement, repetition)
    )
    return command.astype(np.uint8), number.astype(np.uint8)


def _emg(
    movement: np.ndarray, repetition: np.ndarray, strength: np.ndarray, colour: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """EMG (T, 16) of whole numbers from -128 to 127: noise of the movement's colour and strength.

    The strength also varies from one repetition to the next and, within it, from one fifth of a second to the next.
    """
    length = len(movement)
    noise = rng.standard_normal((length + 1, CHANNELS))
    coloured = noise[1:] + colour[movement][:, None] * noise[:-1]
    effort = rng.normal(0.0, 0.35, (int(repetition.max()) + 1, len(colour), CHANNELS))
    unsteady = rng.normal(0.0, 0.7, (-(-length // UNSTEADY), CHANNELS)).repeat(UNSTEADY, axis=0)[:length]
    envelope = np.exp(strength[movement] + effort[repetition, movement] + unsteady)
    return np.clip(np.round(12.0 * envelope * coloured), -128, 127)
