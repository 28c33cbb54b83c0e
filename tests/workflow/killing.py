"""End the jobs of a run at random moments, alone or with their Snakemake, which is then started again."""

import contextlib
import random
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
import torch
import yaml
from checkout import Checkout, environment

RETRIES = 30
How = Literal["job", "tree", "signal"]
WAYS: tuple[How, ...] = ("job", "tree", "signal")
RESUMED = re.compile(r"^(\S+): resumed after epoch (\d+)(?: and (\d+) steps of the next)?$", re.MULTILINE)
# Long enough to be killed in the middle: settings of methods, merged into those of the small study.
LONGER = {
    "run": "killed",
    "data_run": "killed",
    "tasks": ["darcy", "satellite", "ninapro"],
    "methods": ["wrn-default", "wrn-asha", "densenas-original", "densenas-random"],
    "checkpoint_seconds": 0,
    "fork_server": False,  # the jobs are the processes that Snakemake starts
    # Of layers too that the demo sets for themselves.
    "retrain": {
        "wrn": {layer: {"epochs": 16} for layer in ("all", "darcy", "ninapro")},
        "densenas": {layer: {"epochs": 16} for layer in ("all", "1d")},
    },
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
    ("retrain", "satellite", "amber-enas"),
    ("retrain", "ninapro", "darts-gaea"),
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


def start(
    checkout: Checkout, *arguments: str, run: str, config: tuple[str, ...] = (), new_session: bool = False
) -> subprocess.Popen[str]:
    """Snakemake in the background; in a session of its own a signal can reach it with all its jobs."""
    command = checkout.command("--cores", "1", *arguments, file="longer.yaml", config=(f"run={run}", *config))
    return subprocess.Popen(
        command,
        cwd=checkout.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=new_session,
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


class Place(NamedTuple):
    """How far a checkpoint is."""

    epochs: int  # or trials, or episodes
    steps: int  # of the next


class Saved(NamedTuple):
    """What a checkpoint held when its job was killed."""

    folder: str  # of the checkpoint, relative to the checkout
    place: Place


def newest(checkout: Checkout, folder: Path) -> Saved | None:
    """The checkpoint below a folder that was saved last; its job must not run meanwhile."""
    if not (paths := list(folder.rglob("state.pt"))):
        return None
    path = max(paths, key=lambda path: path.stat().st_mtime_ns)
    state = torch.load(path, weights_only=True)["state"]
    steps = sum(part["taken"] for part in state.get("within", {}).get("parts", []))
    return Saved(path.parent.relative_to(checkout.folder).as_posix(), Place(len(state["history"]), steps))


def resumed(checkout: Checkout, run: str, stage: str, task: str, method: str) -> dict[str, Place]:
    """After which epoch and step the last attempt at a job went on, by folder of the checkpoint, as its log says."""
    text = (checkout.folder / f"results/{run}/logs/{stage}/{task}/{method}/0.log").read_text()
    found: dict[str, Place] = {}
    for folder, epochs, steps in RESUMED.findall(text):
        found.setdefault(folder, Place(int(epochs), int(steps or 0)))  # the rungs of a trial load its checkpoint again
    return found


def lost(checkout: Checkout, run: str, experiment: tuple[str, str, str], saved: Saved) -> bool:
    """Whether the attempt after the last kill went on from before what was saved."""
    if not saved.place.steps and saved.place.epochs in ENDS.get(experiment[2], ()):
        return False
    return saved.place > resumed(checkout, run, *experiment).get(saved.folder, Place(0, 0))


def kill(
    process: subprocess.Popen[str], job: psutil.Process, checkout: Checkout, checkpoints: Path, how: How
) -> tuple[bool, Saved | None]:
    """End a job, unless it ended before; with what its checkpoint held then, if it could not save after that."""
    if how == "signal":
        with contextlib.suppress(psutil.NoSuchProcess):
            job.terminate()
            job.wait(60)
            return True, None
        return False, None
    if how == "tree":
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).suspend()  # it must start no other job
    try:
        job.suspend()  # so that neither it nor its successor saves while its checkpoint is read
        while job.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        if job.status() == psutil.STATUS_ZOMBIE:
            return False, None
        saved = newest(checkout, checkpoints)
        if how == "tree":
            process.kill()
            process.wait()
        job.kill()
        with contextlib.suppress(psutil.TimeoutExpired):  # of a parent that is gone
            job.wait(5)
        return True, saved
    except psutil.NoSuchProcess:
        return False, None
    finally:
        if how == "tree" and process.poll() is None:
            process.send_signal(signal.SIGCONT)


def run_and_kill(
    checkout: Checkout,
    experiment: tuple[str, str, str],
    *,
    run: str,
    kills: int,
    rng: random.Random,
    config: tuple[str, ...] = (),
    ways: Sequence[How] = ("job",),
) -> list[Saved | None]:
    """Make one experiment while ending its job; returns what its newest checkpoint held at each kill.

    The first kill, and every other one after it, comes soon after a new checkpoint, so that there is work to lose; the
    others at any moment of the job's life, start-up included. The ways take turns: the job alone by SIGKILL, with its
    Snakemake (the same command goes on, after ``--unlock``), or by SIGTERM, which leaves it the time to save.
    """
    stage, task, method = experiment
    checkpoints = checkout.folder / "results" / run / "checkpoints" / stage / task / method
    found: list[Saved | None] = []
    arguments = target(run, *experiment), "--retries", str(RETRIES)
    process = start(checkout, *arguments, run=run, config=config)
    try:
        while process.poll() is None:
            how = ways[len(found) % len(ways)]
            jobs = [job for job in scripts(process) if f".{stage}.py" in " ".join(_command(job))]
            if not jobs or len(found) == kills:
                time.sleep(0.02)
                continue
            soon, saved = len(found) % 2 == 0, last_saved(checkpoints)
            while soon and last_saved(checkpoints) == saved and jobs[0].is_running():
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.1 if soon else 3))
            killed, state = kill(process, jobs[0], checkout, checkpoints, how)
            found += [state] if killed else []
            if killed and how == "tree":
                checkout.snakemake("--cores", "1", "--unlock", config=(f"run={run}", *config), file="longer.yaml")
                process = start(checkout, *arguments, run=run, config=config)
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
