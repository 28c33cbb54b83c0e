"""What a job cost and where it ran: everything about a result that is not reproducible."""

import os
import platform
import resource
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "h5py", "optuna", "snakemake")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The git commit of this source, with ``+changes`` where files differ from it; ``unknown`` outside of git."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class CostMeter:
    """Measures a job from here on; :meth:`read` gives what ``cost.json`` holds."""

    def __init__(self, device: str, threads: int):
        self.device, self.threads, self.started = device, threads, time.monotonic()

    def read(self) -> dict[str, Any]:
        """Device, wall time in seconds, peak memory in MB, versions, host, commit."""
        memory = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        name = platform.processor() or platform.machine()
        if self.device == "cuda":
            import torch

            name = torch.cuda.get_device_name()
            memory["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() >> 20
        return {
            "device": self.device,
            "device_name": name,
            "wall_seconds": round(time.monotonic() - self.started, 3),
            **memory,
            "threads": self.threads,
            "versions": versions(),
            "host": platform.node(),
            "job": os.environ.get("SLURM_JOB_ID", ""),
            "commit": commit(),
        }
