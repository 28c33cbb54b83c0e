"""What a job cost and where it ran: everything about a result that is not reproducible."""

import os
import platform
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from nasperf360.errors import UserError
from nasperf360.files import remembered, write_json

HEARTBEAT = 10.0  # seconds: of a killed job at most so many go uncounted
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "h5py", "optuna")
version_of = cache(version)  # which reads a package's whole description; a job asks twice


def versions(*further: str) -> dict[str, str]:
    """Versions of Python, of the packages that a number may depend on, and of ``further`` ones."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *further):
        try:
            found[package] = version_of(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The git commit of this source, with ``+changes`` where files differ from it; ``unknown`` outside of git."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class CostMeter:
    """Measures a job from here on; :meth:`read` gives what ``cost.json`` holds."""

    def __init__(self, device: str, threads: int):
        self.device, self.threads, self.started = device, threads, time.monotonic()
        self.began = datetime.now(UTC)
        self.earlier: dict[str, Any] = {"attempts": 0, "seconds": 0.0}

    @property
    def seconds(self) -> float:
        """Wall time of this attempt and of those before it."""
        return round(self.earlier["seconds"] + time.monotonic() - self.started, 3)

    @contextmanager
    def over_attempts(self, folder: Path, identity: str, heartbeat: float = HEARTBEAT) -> Iterator[None]:
        """Add up attempts: count what earlier ones at the same job recorded in ``folder``, and record this one's time.

        Args:
            folder: of the job's checkpoint, under its lock.
            identity: digest of what makes that checkpoint valid; time spent on another job does not count.
            heartbeat: seconds between two records, since a killed job writes none at its end.
        """
        path, over = folder / "spent.json", threading.Event()
        found = remembered(path)
        if found.get("identity") == identity and {"attempts", "seconds"} <= found.keys():
            self.earlier = found

        def record_time() -> None:
            with suppress(OSError, UserError):  # a full disk: then the time counts that was recorded before
                attempts = self.earlier["attempts"] + 1
                write_json(path, {"identity": identity, "attempts": attempts, "seconds": self.seconds})

        def beat() -> None:
            while not over.wait(heartbeat):
                record_time()

        record_time()  # so that an attempt counts, however soon it is killed
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            record_time()

    def read(self) -> dict[str, Any]:
        """Device, wall time in seconds over all attempts; of the last its beginning and end and its peak memory in MB;
        versions, host, commit.
        """
        memory = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        name = platform.processor() or platform.machine()
        if self.device == "cuda":
            name = torch.cuda.get_device_name()
            memory["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() >> 20
        return {
            "device": self.device,
            "device_name": name,
            "wall_seconds": self.seconds,
            "attempts": self.earlier["attempts"] + 1,
            "began": self.began.isoformat(timespec="milliseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **memory,
            "threads": self.threads,
            "versions": versions("snakemake"),
            "host": platform.node(),
            "job": os.environ.get("SLURM_JOB_ID", ""),
            "commit": commit(),
        }


def together(own: Mapping[str, Any], workers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A cost with those of workers: time and attempts are sums, memory is the largest of one process.

    ``workers`` lists theirs, and ``order_fixed: false`` says that another run may come to other results.
    """
    if not workers:
        return dict(own)
    every = [own, *workers]
    peaks = {name for cost in every for name in cost if name.startswith("peak_")}
    memory = {name: max(cost.get(name, 0) for cost in every) for name in sorted(peaks)}
    sums = {name: round(sum(cost[name] for cost in every), 3) for name in ("wall_seconds", "attempts")}
    named = ("device_name", "host", "wall_seconds", "attempts")
    listed = [{name: cost.get(name) for name in named} for cost in workers]
    return {**own, **sums, **memory, "workers": listed, "order_fixed": False}
