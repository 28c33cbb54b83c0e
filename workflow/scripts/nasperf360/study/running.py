"""Which searches and trainings run now, and how far they are: by the lock that each holds, and by its log."""

import re
import time
from pathlib import Path
from typing import NamedTuple

from nasperf360.labels import halves
from nasperf360.study.paths import Key

UNITS = {"random": "trial", "asha": "trial", "enas": "episode"}
"""What a step of a search is, where it is no epoch."""

TAIL = 1 << 14  # bytes of a log that hold its last line

_BAR = re.compile(r"^(.+?): +\d+%\|.*\| (\d+)/(\d+) \[[\d:]+<([\d:]+|\?)")
_TRIAL = re.compile(r" trial (\d+) of (\d+)$")


class Running(NamedTuple):
    """A search or training under way.

    Args:
        process: who holds its lock, with its machine.
        progress: the epoch, trial or episode it is at, as words; empty before the first.
        seconds_left: by the pace of this attempt; None where that is not known yet.
    """

    process: str
    progress: str
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", {in_words(self.seconds_left)} left"
        return f"runs{f', {self.progress}' if self.progress else ''}{left} (process {self.process})"


def running(process: str, stage: str, key: Key, log: Path | None) -> Running:
    """How far the search or training is that a process works on."""
    task, method, seed = key
    if (lines := [line for line in _last_lines(log) if line]) and lines[-1].startswith("all GPUs are taken"):
        return Running(process, "waits for a GPU", None)
    progress, seconds = _progress(log, f"{stage} {task} {method} seed {seed}", stage, method)
    return Running(process, progress, seconds)


def lock_folder(folder: str | Path, stage: str, key: Key) -> Path:
    """The folder of ``results/<run>`` that a search or training has locked while it works."""
    task, method, seed = key
    return Path(folder, "checkpoints", stage, task, method, str(seed))


def job_folders(folder: Path) -> list[Path]:
    """The folders of checkpoints of the jobs that may work on a search or training: its own, and those of workers."""
    return [folder, *sorted(folder.glob("workers/*"))]


def _progress(log: Path | None, label: str, stage: str, method: str) -> tuple[str, float | None]:
    """How far the last bar of a log is, and the seconds that its job still takes."""
    unit = UNITS.get(halves(method)[1], "epoch") if stage == "search" else "epoch"
    for line in reversed(_last_lines(log)):
        if not (found := _BAR.match(line)) or not found[1].startswith(label):
            continue
        done, of, left = int(found[2]), int(found[3]), found[4]
        if trial := _TRIAL.search(found[1].removeprefix(label)):
            return f"trial {trial[1]} of {trial[2]}", None  # the bar is that of the trial
        if found[1] == label:
            at = f"{unit} {min(done + 1, of)} of {of}"
            return at, None if left == "?" or log is None else max(0.0, _seconds(left) - _age(log))
    return "", None


def _last_lines(log: Path | None) -> list[str]:
    try:
        with open(log or "", "rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - TAIL))
            return re.split(r"[\r\n]+", stream.read().decode("utf-8", "replace"))
    except OSError:
        return []


def _age(log: Path) -> float:
    """Seconds since a log was written to: a bar says what was left then."""
    return time.time() - log.stat().st_mtime


def _seconds(clock: str) -> float:
    """Of ``1:02:03`` or ``02:03``."""
    total = 0
    for part in clock.split(":"):
        total = 60 * total + int(part)
    return total


def in_words(seconds: float) -> str:
    """A span of time, such as ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"
