"""Every experiment of the paper on a GPU: does a step run, is it the same twice, how long does it take?

For each of the 56 experiments at paper scale one turn of its search and one of its training (``turns.py``), at the
paper's batch size and on random samples of the true shapes, with the pipeline's own deterministic settings. Nothing is
downloaded.

- equal: a first turn gives the same weights, statistics and loss, to the last bit, in two processes;
- ms: of a turn after the first; launches: kernels and copies of a turn; operations: those that started them;
- roofline: what the operations of a turn take one by one at the card's own peaks, measured here, over what it takes;
- GiB: most memory that tensors took, and which of cards of 16, 40 and 80 GB hold it.

Then, on this device: a training and two searches that are killed go on to the same bytes, and two jobs at once give the
bytes of one. Prints a line for each and writes a JSON, which ``estimate.py --check`` reads.

python benchmarks/gpu_check.py [--precision float32] [--cells darcy:darts-gaea ...] [--out gpu_check.json]

On a CPU, where it tests itself: --device cpu --smallest --cells satellite:wrn-default
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from launches import Launches, Peaks, best_seconds, measured_peaks, synchronize
from turns import ROOT, Experiments, numbers_of

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.files import digest_json, write_json
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_training import task_training
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, setup_torch
from nasperf360.training.settings import RetrainSettings
from nasperf360.training.step import autocast

STAGES = ("search", "retrain")
CARDS_GB = (16, 40, 80)
TIMED = 3  # turns
TOGETHER = ("satellite:amber-enas", "satellite:wrn-default", "satellite:darts-gaea")  # two jobs on a card
RESUMED = (("retrain", "satellite", "wrn-default"), ("search", "satellite", "darts-gaea"))
SAVES = 3  # checkpoints before a job is killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--precision", default="float32", help="of the configuration")
    parser.add_argument("--cells", nargs="+", metavar="TASK:METHOD", help="some of the 56")
    parser.add_argument("--smallest", action="store_true", help="batches of two")
    parser.add_argument("--out", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        ROLES[options.role](options)
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        report = check(options)
    report["seconds"] = round(time.monotonic() - started, 1)
    write_json(options.out, report)
    print(f"{report['seconds']:.0f} s; {report['faults'] or 'no'} faults; written to {options.out}")
    return int(report["faults"] > 0)


def check(options: argparse.Namespace) -> dict[str, Any]:
    """All of it, each part in processes of its own."""
    first = finished(start(options, "measure"), options.folder / "measure.jsonl")
    if not first:
        raise SystemExit("nothing was measured; the error is above")
    head, cells = first[0], first[1:]
    again = {cell_name(cell): cell for cell in finished(start(options, "digest"), options.folder / "digest.jsonl")}
    print(f"{head['device']}, torch {head['torch']}, {options.precision}: {head['tflops']} TFLOP/s, {head['gbs']} GB/s")
    print(
        LINE.format(
            "task", "method", "stage", "batch", "equal", "ms", "launches", "operations", "roofline", "GiB", "GB"
        )
    )
    for cell in cells:
        other = again.get(cell_name(cell), {})
        cell["equal"] = "error" not in cell and cell["sha256"] == other.get("sha256")
        print(line_of(cell))
    further = {"resumed": resumed(options), "together": together(options, cells)}
    for name, found in further.items():
        for what, equal in found.items():
            print(f"{name}: {what}: {'equal' if equal else 'DIFFERS'}")
    faults = sum(not cell["equal"] for cell in cells) + sum(
        not each for part in further.values() for each in part.values()
    )
    return {**head, "precision": options.precision, "cells": cells, **further, "faults": faults}


LINE = "{:10} {:18} {:8} {:>5} {:>6} {:>9} {:>8} {:>10} {:>8} {:>6} {:>9}"


def line_of(cell: dict[str, Any]) -> str:
    """A line of the table."""
    names = [cell["task"], cell["method"], cell["stage"]]
    if "error" in cell:
        return " ".join([*(f"{name:10}" for name in names), "FAILS:", cell["error"]])
    share, memory = cell["roofline_share"], cell["peak_gib"]
    return LINE.format(
        *names, cell["batch"], "yes" if cell["equal"] else "NO", f"{1e3 * cell['seconds_per_step']:.1f}",
        cell["launches"] or "-", cell["operations"], f"{share:.3f}" if share else "-",
        f"{memory:.2f}" if memory else "-",
        ",".join(map(str, cell["fits"])) or "-",
    )  # fmt: skip


def cell_name(cell: dict[str, Any]) -> tuple[str, str, str]:
    return cell["task"], cell["method"], cell["stage"]


# -- processes -------------------------------------------------------------------------------------------------------


def start(
    options: argparse.Namespace, role: str, *, cells: Any = None, out: Path | None = None
) -> subprocess.Popen[str]:
    """This program in a process of its own, as one of :data:`ROLES`."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_check.py"), "--role", role]
    command += ["--device", options.device, "--precision", options.precision, "--folder", str(options.folder)]
    command += ["--out", str(out or options.folder / f"{role}.jsonl")]
    chosen = cells or options.cells
    command += ["--cells", *chosen] if chosen else []
    return subprocess.Popen([*command, *(["--smallest"] if options.smallest else [])], text=True)


def finished(process: subprocess.Popen[str], path: Path) -> list[dict[str, Any]]:
    """What it wrote, also where it died of its last cell: the others stand."""
    status = process.wait()
    if status not in (0, -signal.SIGKILL):
        print(f"a process ended with status {status}", file=sys.stderr)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def prepared(options: argparse.Namespace) -> torch.device:
    """The device, as a job sets it up."""
    device = setup_torch(1, options.device, gpu=int(options.device == "cuda"))
    with autocast(device, options.precision):
        return device


# -- one step of each ------------------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> None:
    """Everything about each cell; of the machine first."""
    device = prepared(options)
    peaks = measured_peaks(device, options.precision)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    tflops, gbs = round(peaks.operations / 1e12, 2), round(peaks.bytes / 1e9, 1)
    with options.out.open("w") as file:
        write(file, {"device": name, "torch": torch.__version__, "tflops": tflops, "gbs": gbs})
        for found in over_cells(options, device, peaks):
            write(file, found)


def digest(options: argparse.Namespace) -> None:
    """The bytes of the first turn of each cell."""
    device = prepared(options)
    with options.out.open("w") as file:
        for found in over_cells(options, device, None):
            write(file, found)


def write(file: Any, content: dict[str, Any]) -> None:
    file.write(json.dumps(content) + "\n")
    file.flush()


def over_cells(options: argparse.Namespace, device: torch.device, peaks: Peaks | None) -> Any:
    """What :func:`one_cell` finds, or the error, of every cell asked for and both stages."""
    with tempfile.TemporaryDirectory() as folder:
        experiments = Experiments(Path(folder), device, smallest=options.smallest, precision=options.precision)
        for task, method in experiments.cells():
            if options.cells and f"{task}:{method}" not in options.cells:
                continue
            for stage in STAGES:
                names = {"task": task, "method": method, "stage": stage}
                try:
                    found = one_cell(experiments, task, method, stage, peaks)
                except Exception as error:  # of one cell; the others go on
                    found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
                if found:
                    yield {**names, **found}
                if device.type == "cuda":
                    torch.cuda.empty_cache()


def one_cell(experiments: Experiments, task: str, method: str, stage: str, peaks: Peaks | None) -> dict[str, Any]:
    """The first turn's bytes and, given peaks, what further turns take; empty where there is no turn."""
    device = experiments.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    turn = experiments.turn(task, method, stage)
    if turn is None:
        return {}
    torch.manual_seed(1)
    loss = turn.take()
    content = hashlib.sha256(loss.cpu().numpy().tobytes())
    for values in numbers_of(turn.network):
        content.update(values.tobytes())
    found: dict[str, Any] = {"batch": turn.batch, "sha256": content.hexdigest()}
    if peaks is None:
        return found
    seconds = best_seconds(turn.take, device, TIMED)
    memory = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None
    with Launches(peaks) as launches:
        turn.take()
    return {
        **found,
        "seconds_per_step": round(seconds, 6),
        "peak_gib": memory and round(memory, 3),
        "fits": [size for size in CARDS_GB if memory and memory * 2**30 < 0.95 * size * 1e9],
        "launches": kernels(turn.take, device),
        "operations": launches.total,
        "roofline_share": round(launches.roofline / seconds, 4) or None,
    }


def kernels(act: Any, device: torch.device) -> int | None:
    """Kernels that a GPU runs for it."""
    if device.type != "cuda":
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        act()
        synchronize(device)
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())


# -- killed and resumed ----------------------------------------------------------------------------------------------


class Deadly(Checkpoint):
    """A checkpoint whose process is killed right after a save."""

    saves = 0

    def save(self, state: Any, **options: Any) -> None:
        super().save(state, **options)
        Deadly.saves += 1
        if Deadly.saves == SAVES:
            os.kill(os.getpid(), signal.SIGKILL)


def resumed(options: argparse.Namespace) -> dict[str, bool]:
    """Whether killed jobs go on to the bytes of jobs that nothing disturbed."""
    whole = finished(start(options, "whole"), options.folder / "whole.jsonl")
    killed = [start(options, f"killed-{number}").wait() == -signal.SIGKILL for number in range(len(RESUMED))]
    again = finished(start(options, "rest"), options.folder / "rest.jsonl")
    found = {}
    for job, was_killed in zip(RESUMED, killed, strict=True):
        ends = [[each["sha256"] for each in rows if each["job"] == list(job)] for rows in (whole, again)]
        found[" ".join(job)] = was_killed and ends[0] == ends[1] != []
    return found


def run_jobs(options: argparse.Namespace, folder: str, jobs: Any, kind: type[Checkpoint]) -> None:
    """Jobs at demo scale, with checkpoints in a folder that a later process finds."""
    device = prepared(options)
    experiments = Experiments(options.folder / f"data-{os.getpid()}", device, "demo", precision=options.precision)
    experiments.folder.mkdir()
    with options.out.open("w") as file:
        for job in jobs:
            checkpoint = kind(options.folder / folder / "-".join(job), {"job": list(job)})
            write(file, {"job": list(job), "sha256": run_job(experiments, *job, checkpoint)})


def run_job(experiments: Experiments, stage: str, task_name: str, method: str, checkpoint: Checkpoint) -> str:
    """A whole search or training; digest of what it ends with."""
    config, device = experiments.config, experiments.device
    of_search = configuration.search_settings(config, task_name, method)["search"]
    task, dataset = task_training(task_name, of_search.get("task")), experiments.dataset(task_name, 192)
    space = experiments.space(task, method, dataset)
    torch.manual_seed(0)
    if stage == "search":
        name = configuration.method(config, method)["algorithm"]
        settings = algorithm_spec(name).settings.model_validate(of_search)
        found = run_search(name, space, Problem(task, dataset, settings, {}, None, 0, device, checkpoint))
        return digest_json([found.architecture, list(found.history)])
    training = RetrainSettings.model_validate(configuration.retrain_settings(config, task_name, method))
    train = dataset.split("train")
    task.fit(train)
    network = space.build(space.default()).to(device)
    history = fit(network, task, train, training, seed=0, device=device, checkpoint=checkpoint)
    content = hashlib.sha256(json.dumps(list(history)).encode())
    for values in numbers_of(network):
        content.update(values.tobytes())
    return content.hexdigest()


# -- two jobs at once ------------------------------------------------------------------------------------------------


def together(options: argparse.Namespace, cells: list[dict[str, Any]]) -> dict[str, bool]:
    """Whether two processes at once give the bytes of one."""
    chosen = [
        name for name in options.cells or TOGETHER if any(name == f"{each['task']}:{each['method']}" for each in cells)
    ]
    paths = [options.folder / f"together-{number}.jsonl" for number in range(2)]
    processes = [start(options, "digest", cells=chosen[:3], out=path) for path in paths]
    found = [finished(*each) for each in zip(processes, paths, strict=True)]
    alone = {cell_name(cell): cell.get("sha256") for cell in cells}
    return {
        f"process {number}": bool(rows) and all(row.get("sha256") == alone[cell_name(row)] for row in rows)
        for number, rows in enumerate(found, start=1)
    }


ROLES: dict[str, Any] = {
    "measure": measure,
    "digest": digest,
    "whole": lambda options: run_jobs(options, "whole", RESUMED, Checkpoint),
    "rest": lambda options: run_jobs(options, "killed", RESUMED, Checkpoint),
    **{
        f"killed-{number}": lambda options, job=job: run_jobs(options, "killed", [job], Deadly)
        for number, job in enumerate(RESUMED)
    },
}


if __name__ == "__main__":
    sys.exit(main())
