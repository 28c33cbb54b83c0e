"""Kill the jobs of a run with SIGKILL at random moments; Snakemake's retries start them again."""

import contextlib
import random
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import torch
import yaml
from checkout import Checkout, environment

RETRIES = 30
RESUMED = re.compile(r"^(\S+): resumed after epoch (\d+)$", re.MULTILINE)
# Long enough to be killed in the middle: settings of methods, merged into those of the small study.
LONGER = {
    "run": "killed",
    "data_run": "killed",
    "tasks": ["darcy", "satellite", "ninapro"],
    "methods": ["wrn-default", "wrn-asha", "densenas-original", "densenas-random"],
    "checkpoint_seconds": 0,
    "fork_server": False,  # the jobs are the processes that Snakemake starts
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
# After these epochs (its rungs) a trial may be over: nothing goes on from its checkpoint.
ENDS = {"wrn-asha": (1, 8)}
# Stage, task, method: every kind of network and every algorithm that trains.
EXPERIMENTS = [
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
    """The file that an experiment makes."""
    name = "architecture.json" if stage == "search" else "cost.json"
    return f"results/{run}/{stage}/{task}/{method}/0/{name}"


def start(checkout: Checkout, *arguments: str, run: str, config: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Snakemake in the background."""
    command = checkout.command("--cores", "1", *arguments, file="longer.yaml", config=(f"run={run}", *config))
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


class Saved(NamedTuple):
    """What a checkpoint held when its job was killed."""

    folder: str  # of the checkpoint, relative to the checkout
    epochs: int  # or trials, or episodes


def newest(checkout: Checkout, folder: Path) -> Saved | None:
    """The checkpoint below a folder that was saved last; its job must not run meanwhile."""
    if not (paths := list(folder.rglob("state.pt"))):
        return None
    path = max(paths, key=lambda path: path.stat().st_mtime_ns)
    epochs = len(torch.load(path, weights_only=True)["state"]["history"])
    return Saved(path.parent.relative_to(checkout.folder).as_posix(), epochs)


def resumed(checkout: Checkout, run: str, stage: str, task: str, method: str) -> dict[str, int]:
    """After which epoch the last attempt at a job went on, by folder of the checkpoint, as its log says."""
    text = (checkout.folder / f"results/{run}/logs/{stage}/{task}/{method}/0.log").read_text()
    found: dict[str, int] = {}
    for folder, epochs in RESUMED.findall(text):
        found.setdefault(folder, int(epochs))  # the rungs of a trial load its checkpoint again
    return found


def lost(checkout: Checkout, run: str, experiment: tuple[str, str, str], saved: Saved) -> int:
    """Saved epochs that the attempt after the last kill did not go on from."""
    if saved.epochs in ENDS.get(experiment[2], ()):
        return 0
    return saved.epochs - resumed(checkout, run, *experiment).get(saved.folder, 0)


def kill(job: psutil.Process, checkout: Checkout, checkpoints: Path) -> tuple[bool, Saved | None]:
    """SIGKILL a job, unless it ended before; with what its checkpoint held then."""
    try:
        job.suspend()  # so that neither it nor its successor saves while its checkpoint is read
        while job.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        if job.status() == psutil.STATUS_ZOMBIE:
            return False, None
        saved = newest(checkout, checkpoints)
        job.kill()
        job.wait(30)
        return True, saved
    except psutil.NoSuchProcess:
        return False, None


def run_and_kill(
    checkout: Checkout,
    experiment: tuple[str, str, str],
    *,
    run: str,
    kills: int,
    rng: random.Random,
    config: tuple[str, ...] = (),
) -> list[Saved | None]:
    """Make one experiment while killing its job; returns what its newest checkpoint held at each kill.

    The first kill, and every other one after it, comes soon after a new checkpoint, so that there is work to lose; the
    others at any moment of the job's life, start-up included.
    """
    stage, task, method = experiment
    checkpoints = checkout.folder / "results" / run / "checkpoints" / stage / task / method
    found: list[Saved | None] = []
    process = start(checkout, target(run, *experiment), "--retries", str(RETRIES), run=run, config=config)
    try:
        while process.poll() is None:
            jobs = [job for job in scripts(process) if f".{stage}.py" in " ".join(_command(job))]
            if not jobs or len(found) == kills:
                time.sleep(0.02)
                continue
            soon, saved = len(found) % 2 == 0, last_saved(checkpoints)
            while soon and last_saved(checkpoints) == saved and jobs[0].is_running():
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.1 if soon else 3))
            killed, state = kill(jobs[0], checkout, checkpoints)
            found += [state] if killed else []
        output = process.communicate()[0]
        assert process.returncode == 0, output[-4000:]
    finally:
        process.kill()
        process.wait()
    return found


def reproducible(folder: Path) -> dict[str, bytes]:
    """The files of an experiment that equal runs have equal: all but its cost."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "cost.json"}
    assert {"history.csv"} < set(files)
    return files
