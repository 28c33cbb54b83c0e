"""A job's place on a GPU: Snakemake counts GPU jobs and assigns them no device, so each claims its own by a lock."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from nasperf360.devices import listing
from nasperf360.devices.listing import VARIABLE, Gpu
from nasperf360.job import log
from nasperf360.locks import holder, locked, try_lock

PAUSE = 0.5  # seconds between two looks for a free place


BASES = (Path("/tmp"), Path("/dev/shm"))


def folder() -> Path | None:
    """Of the locks: one for this machine and user, whatever run or checkout a job is of; None where none can be."""
    for base in BASES:
        found = base / f"nasperf360-{os.getuid()}" / "gpus"
        with suppress(OSError):  # read-only, full, or somebody else's
            found.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=found) as probe, open(found / "lock", "a", encoding="utf-8"):
                probe.write(b"1")
                return found
    return None


@dataclass(frozen=True)
class Place:
    """What a job has to compute on.

    Args:
        gpu: as ``CUDA_VISIBLE_DEVICES`` calls it; empty: none.
        title: of the GPU, for people.
        why: it is this one, or none.
        wanted: whether the job asked for one.
    """

    gpu: str
    title: str
    why: str
    wanted: bool

    def said(self, device: str) -> str:
        """For the log.

        Args:
            device: that torch has made of it: ``cuda`` or ``cpu``.
        """
        if device != "cpu":
            return f"on {self.title or 'the GPU that torch takes'}: {self.why}"
        warning = self.warning(device)
        return f"Warning: {warning}" if warning else f"on the CPU: {self.why}"

    def warning(self, device: str) -> str:
        """What is wrong with it, in words; empty where nothing is."""
        if device != "cpu" or not self.wanted:
            return ""
        fault = f"torch sees none here, not even {self.title}, which is free" if self.gpu else self.why
        return f"on the CPU, though a GPU was asked for: {fault}; device: cuda would refuse that"


@contextmanager
def place(device: str, gpu: int, jobs_per_gpu: int) -> Iterator[Place]:
    """Within, this process has a place on a GPU, if it asks for one; from then on CUDA sees no other.

    Enter it before torch opens CUDA.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        gpu: GPUs that the job was given.
        jobs_per_gpu: how many jobs may have one GPU.
    """
    if device == "cpu" or gpu < 1:
        yield Place("", "", "device: cpu is set" if device == "cpu" else "it takes no GPU (gpu: 0)", wanted=False)
        return
    found = listing.find()
    if not found.gpus:
        yield Place("", "", found.origin, wanted=True)
        return
    if (locks := folder()) is None:
        yield Place("", "", f"none is claimed: {' and '.join(map(str, BASES))} cannot be written to", wanted=True)
        return
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # by which nvidia-smi counts
    with claimed(found.gpus, jobs_per_gpu, locks) as (own, others):
        os.environ[VARIABLE] = own.visible
        among = f"the least taken of {len(found.gpus)}" if len(found.gpus) > 1 else "the only one"
        why = f"{among} ({found.origin}), with {others} other jobs"
        yield Place(own.visible, own.title, why, wanted=True)


@contextmanager
def claimed(gpus: Sequence[Gpu], most: int, folder: Path) -> Iterator[tuple[Gpu, int]]:
    """Hold a place on the GPU with the fewest claims, and yield it with the number of the others there.

    Waits while all places are taken. The process that ends lets go of its own, however it ends.

    Args:
        gpus: to choose from; the first of those with as few claims is taken.
        most: claims on one.
        folder: of the locks.
    """
    waiting = False
    while not (claim := _claim(gpus, most, folder)):
        if not waiting:
            log(f"all GPUs are taken (jobs_per_gpu: {most}): waiting for one; {_holders(gpus, folder)}")
            waiting = True
        time.sleep(PAUSE)
    gpu, others, lock = claim
    with lock:
        yield gpu, others


def _claim(gpus: Sequence[Gpu], most: int, folder: Path) -> tuple[Gpu, int, TextIO] | None:
    """Lock a place on the GPU with the fewest claims, if one is free."""
    best: tuple[Gpu, int, TextIO] | None = None
    with locked(folder, quiet=True):  # else a job that counts would be taken for one that claims
        for gpu in gpus:
            there = len(list(folder.glob(f"{gpu.key}.*")))  # of other runs too, which may allow more
            locks = [try_lock(folder / f"{gpu.key}.{number}") for number in range(max(most, there))]
            free = [lock for lock in locks if lock]
            others = len(locks) - len(free)
            if free and others < min(most, best[1] if best else most):
                if best:
                    best[2].close()
                best = gpu, others, free.pop(0)
            for lock in free:
                lock.close()
    return best


def _holders(gpus: Sequence[Gpu], folder: Path) -> str:
    paths = sorted(path for gpu in gpus for path in folder.glob(f"{gpu.key}.*"))
    return ", ".join(f"{path.stem} has process {holder(path)}" for path in paths)
