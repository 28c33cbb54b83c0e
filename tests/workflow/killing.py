"""Kill the jobs of a run with SIGKILL at random moments; Snakemake's retries start them again."""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import yaml
from checkout import Checkout, environment

RETRIES = 30
# Long enough to be killed in the middle: settings of methods, merged into those of the small study.
LONGER = {
    "run": "killed",
    "data_run": "killed",
    "tasks": ["darcy", "satellite", "ninapro"],
    "methods": ["wrn-default", "wrn-asha", "densenas-original", "densenas-random"],
    "checkpoint_seconds": 0,
    "retrain": {"wrn": {"all": {"epochs": 16}}, "densenas": {"all": {"epochs": 16}}},
    "search": {
        "densenas": {"all": {"epochs": 10}},
        "random": {"all": {"trials": 3, "epochs": 4}},
        "asha": {"all": {"trials": 5, "max_epochs": 8, "rungs": 2}},
        "enas": {"all": {"episodes": 10}},
        "gaea": {"all": {"epochs": 6}},
        "darts": {"all": {"epochs": 6, "batch_size": 8}},
    },
}
# Stage, task, method: every kind of network and every algorithm that trains.
CELLS = [
    ("retrain", "ninapro", "wrn-default"),
    ("retrain", "satellite", "wrn-default"),
    ("retrain", "darcy", "densenas-original"),
    ("search", "darcy", "densenas-original"),
    ("search", "satellite", "densenas-random"),
    ("search", "ninapro", "wrn-asha"),
    ("search", "satellite", "amber-enas"),
    ("search", "ninapro", "darts-gaea"),
    ("search", "darcy", "autodl-darts"),
]


def write_longer(checkout: Checkout) -> None:
    """``longer.yaml`` in the checkout."""

    def merge(low, high):
        both = {key: merge(low[key], high[key]) for key in low.keys() & high.keys() if isinstance(high[key], dict)}
        return {**low, **high, **both}

    small = yaml.safe_load((checkout.folder / "small.yaml").read_text())
    (checkout.folder / "longer.yaml").write_text(yaml.safe_dump(merge(small, LONGER)))


def target(run: str, stage: str, task: str, method: str) -> str:
    """The file that a cell makes."""
    name = "architecture.json" if stage == "search" else "result.json"
    return f"results/{run}/{stage}/{task}/{method}/0/{name}"


def start(checkout: Checkout, *arguments: str, run: str) -> subprocess.Popen[str]:
    """Snakemake in the background."""
    command = checkout.command("--cores", "1", *arguments, file="longer.yaml", config=(f"run={run}",))
    return subprocess.Popen(
        command, cwd=checkout.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def scripts(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The scripts that a Snakemake runs now."""
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if ".snakemake/scripts/" in " ".join(_command(child))]
    return []


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()[:2]
    return []


def last_saved(folder: Path) -> float:
    """When a checkpoint below a folder was last saved."""
    return max((path.stat().st_mtime for path in folder.rglob("state.pt")), default=0.0)


def run_and_kill(checkout: Checkout, cell: tuple[str, str, str], *, run: str, kills: int, rng: random.Random) -> int:
    """Make one cell while killing its job; returns how many times it was killed.

    Every other kill comes at any moment of the job's life, start-up included; the others soon after a new checkpoint,
    so that the job gets on.
    """
    stage, task, method = cell
    checkpoints = checkout.folder / "results" / run / "checkpoints" / stage / task / method
    killed = 0
    process = start(checkout, target(run, *cell), "--retries", str(RETRIES), run=run)
    try:
        while process.poll() is None:
            jobs = [job for job in scripts(process) if f".{stage}.py" in " ".join(_command(job))]
            if not jobs or killed == kills:
                time.sleep(0.02)
                continue
            saved = last_saved(checkpoints)
            while killed % 2 and last_saved(checkpoints) == saved and jobs[0].is_running():
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.3 if killed % 2 else 3))
            if jobs[0].is_running() and jobs[0].status() != psutil.STATUS_ZOMBIE:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(jobs[0].pid, signal.SIGKILL)
                    killed += 1
                jobs[0].wait(30)
        output = process.communicate()[0]
        assert process.returncode == 0, output[-4000:]
    finally:
        process.kill()
        process.wait()
    return killed


def reproducible(folder: Path) -> dict[str, bytes]:
    """The files of a cell that equal runs have equal: all but its cost."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "cost.json"}
    assert {"history.csv"} < set(files)
    return files
