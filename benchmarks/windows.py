"""Windows of EMG and ECG against a plain loop over windows that does the same work, at full shape.

    PYTHONPATH=workflow/scripts python benchmarks/windows.py [--share 1] [--repeats 5]

Both start from recordings in memory and end with the arrays of every split, which must be equal bit for bit; files are
neither read nor written. They take turns in one process on one thread; seconds are those of the process, the best of
all turns. At full shape the loop over ECG holds 5 GB; ``--share`` takes a part of the records.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from nasperf360.seeds import generator
from nasperf360.study.configuration import resolve
from nasperf360.tasks.ecg import data as ecg
from nasperf360.tasks.ecg.spec import PreprocessSettings as EcgSettings
from nasperf360.tasks.ninapro import data as ninapro
from nasperf360.tasks.ninapro.spec import CHANNELS, MOVEMENTS
from nasperf360.tasks.ninapro.spec import PreprocessSettings as NinaProSettings

HERE = Path("in memory")
ECG_RATE, EMG_RATE = 300, 200  # Hz
Take = Callable[[str, Mapping[str, np.ndarray]], None]
"""What to do with the arrays of a split, or with the next block of them."""


class Splits:
    """Stands for the writer of a data set: hands on what it is given."""

    def __init__(self, take: Take):
        self.take = take

    def split(self, name: str, **_: Any) -> SimpleNamespace:
        """A split whose samples are handed on."""
        return SimpleNamespace(append=lambda source=None, **batch: self.take(name, batch))


class Ecg:
    """Records of noise, as many and as long as those of the challenge; nothing depends on what they show."""

    name = "ECG"

    def __init__(self, share: float, simulate: Mapping[str, Any]):
        rng = np.random.default_rng(0)
        counts = [max(4, round(share * count)) for count in simulate["counts"]]
        self.labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
        shortest, longest = (round(ECG_RATE * seconds) for seconds in simulate["seconds"])
        lengths = rng.integers(shortest, longest + 1, len(self.labels))
        self.signals = [rng.integers(-2000, 2000, length).astype(np.int16) for length in lengths]
        self.options = EcgSettings()

    def ours(self, take: Take) -> None:
        """As the pipeline does."""
        writer: Any = Splits(take)
        ecg.write_windows(writer, self.signals, self.labels, self.options, HERE)

    def plain(self, take: Take) -> None:
        """As the reference code does: each record standardised, a list of windows, an array of the list, mixed."""
        rng, window = generator("ecg", "order"), self.options.window
        standardised = [(signal - np.mean(signal)) / np.std(signal) for signal in self.signals]
        splits = ecg.split_records(len(self.signals), HERE)
        seen = {*splits["train"], *splits["valid"]}
        for name, members in splits.items():
            x, y, group = [], [], []
            for record in members:
                signal, label = standardised[record], self.labels[record]
                for start in range(0, len(signal) - window, max(1, self.options.stride // ecg.DIVISORS[label])):
                    x.append(signal[start : start + window])
                    y.append(label)
                    group.append(record)
            split = {"x": np.array(x), "y": np.array(y), "group": np.array(group)}
            del x
            if name.endswith("train"):
                order = rng.permutation(len(split["y"]))
                for field in split:
                    split[field] = split[field][order]
            if name == "final_test":
                split["unseen"] = np.array([record not in seen for record in group], np.uint8)
            split["x"] = split["x"][:, None].astype(np.float32)
            take(name, split)


class Emg:
    """Recordings of noise with the protocol of NinaPro DB5, exercise B."""

    name = "EMG"

    def __init__(self, share: float, simulate: Mapping[str, Any]):
        rng = np.random.default_rng(0)
        subjects = max(1, round(share * simulate["subjects"]))
        lengths = [round(EMG_RATE * simulate[f"{phase}_seconds"]) for phase in ("movement", "rest")]
        turns = np.tile(lengths, MOVEMENTS * simulate["repetitions"])
        number = np.arange(len(turns)) // 2
        moving = np.arange(len(turns)) % 2 == 0
        movement = np.where(moving, number // simulate["repetitions"] + 1, 0).repeat(turns)
        repetition = np.where(moving, number % simulate["repetitions"] + 1, 0).repeat(turns)
        self.recordings = {
            f"S{subject}_E2_A1.mat": (
                rng.integers(-128, 128, (len(movement), CHANNELS)).astype(np.float32),
                movement,
                repetition,
            )
            for subject in range(subjects)
        }
        self.options = NinaProSettings(windows=max(36, round(share * NinaProSettings().windows)))

    def ours(self, take: Take) -> None:
        """As the pipeline does, but for reading."""
        files = [SimpleNamespace(path=Path(name)) for name in self.recordings]
        raw: Any = SimpleNamespace(all=lambda *_: files, manifest=HERE)
        writer: Any = Splits(take)
        with (
            mock.patch.object(ninapro, "read_labels", lambda path: self.recordings[path.name][1:]),
            mock.patch.object(ninapro, "read_emg", lambda path: self.recordings[path.name][0]),
        ):
            ninapro.preprocess(raw, writer, self.options)

    def plain(self, take: Take) -> None:
        """A window after the other, each looked at for a change of the label; then some of them are drawn."""
        x, y = [], []
        for emg, movement, repetition in self.recordings.values():
            start = 0
            while start + ninapro.WINDOW <= len(movement):
                here = slice(start, start + ninapro.WINDOW)
                other = (movement[here] != movement[start]) | (repetition[here] != repetition[start])
                if other.any():
                    start += int(other.argmax())
                else:
                    x.append(emg[here])
                    y.append(movement[start])
                    start += ninapro.WINDOW
        rng = generator("ninapro", "windows")
        chosen = ninapro.balanced_subset(np.array(y), self.options.windows, rng, HERE)
        order = chosen[rng.permutation(len(chosen))]
        held_out = len(chosen) // 6
        parts = {"train": order[2 * held_out :], "valid": order[:held_out], "test": order[held_out : 2 * held_out]}
        for name, rows in parts.items():
            windows = np.array([x[row].T for row in rows])[:, None]
            take(name, {"x": windows, "y": np.array([y[row] for row in rows])})


def digests(run: Callable[[Take], None]) -> dict[tuple[str, str, str], str]:
    """Of all values of a field of a split, by the split, the field, and what type and shape a value has."""
    found: dict[tuple[str, str, str], Any] = {}

    def take(name: str, batch: Mapping[str, np.ndarray]) -> None:
        for field, values in batch.items():
            kind = f"{values.dtype} {values.shape[1:]}"
            found.setdefault((name, field, kind), hashlib.sha256()).update(np.ascontiguousarray(values))

    run(take)
    return {key: digest.hexdigest() for key, digest in found.items()}


def number(run: Callable[[Take], None]) -> int:
    """Of windows, of all splits."""
    counts: list[int] = []
    run(lambda name, batch: counts.append(len(batch["y"])))
    return sum(counts)


def seconds(run: Callable[[Take], None]) -> float:
    """Of the process."""
    start = time.process_time()
    run(lambda name, batch: None)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the published number of records")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each")
    asked = parser.parse_args()
    simulate = resolve({"scale": "paper", "methods": ["wrn-default"]})["simulate"]
    print("| windows | number | plain loop, s | ours, s | times faster |")
    print("|---|---:|---:|---:|---:|")
    for case in (Emg(asked.share, simulate["ninapro"]), Ecg(asked.share, simulate["ecg"])):
        if digests(case.ours) != digests(case.plain):
            sys.exit(f"{case.name}: the windows of the two differ")
        turns = [(seconds(case.plain), seconds(case.ours)) for _ in range(asked.repeats)]
        plain, ours = (min(times) for times in zip(*turns, strict=True))
        print(f"| {case.name} | {number(case.ours):,} | {plain:.3g} | {ours:.3g} | {plain / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
