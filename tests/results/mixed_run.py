"""A run in which everything happens: complete, failed and open seeds, a perfect baseline, tasks not selected, ties."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nasperf360.files import remembered
from nasperf360.labels import PAPER_TASKS
from nasperf360.study import paths
from nasperf360.tables import costs, forms
from nasperf360.tables.histories import read_histories
from nasperf360.tables.performance import (
    LATER,
    read_performance,
    read_reference,
    reference_performance,
    summarise,
)
from nasperf360.tables.tasks import read_tasks, task_frame

from .small_run import REFERENCE, scores_of, write_result

FAILED, OPEN = "failed", "open"
VALUES = {
    ("cifar100", "wrn-default"): (24.0, 26.0),
    ("cifar100", "wrn-asha"): (23.5, 23.7),
    ("cifar100", "darts-gaea"): (20.0, 22.0),
    ("cifar100", "densenas-random"): (24.0, 26.0),  # as the baseline
    ("darcy", "wrn-default"): (0.05, 0.07),
    ("darcy", "wrn-asha"): (0.06, 0.061),
    ("darcy", "darts-gaea"): (0.02, FAILED),
    ("darcy", "densenas-random"): (OPEN, OPEN),
    ("ecg", "wrn-default"): (0.60, 0.62),
    ("ecg", "wrn-asha"): (0.58, OPEN),
    ("ecg", "darts-gaea"): (0.70, 0.68),
    ("ecg", "densenas-random"): (FAILED, FAILED),
    ("spherical", "wrn-default"): (0.0, 0.0),
    ("spherical", "wrn-asha"): (3.0, 3.5),
    ("spherical", "darts-gaea"): (0.0, 0.0),
}
SEEDS = (0, 1)
KEYS = [(*pair, seed) for pair in VALUES for seed in SEEDS]
TASKS = tuple(dict.fromkeys(task for task, _ in VALUES))
LENGTHS = {"search": 3, "retrain": 4}  # steps of a history


@dataclass(frozen=True)
class Mixed:
    """The run as the tables and figures read it."""

    folder: Path
    performance: pd.DataFrame
    scores: pd.DataFrame
    task_frame: pd.DataFrame
    tasks: pd.DataFrame
    costs: pd.DataFrame
    costs_read: pd.DataFrame
    histories: pd.DataFrame
    later: pd.DataFrame


def make_mixed(folder: Path) -> Mixed:
    """Write the run below ``folder``, and read it by way of its csv files."""
    for task, method, seed in KEYS:
        value = VALUES[task, method][seed]
        if value not in (FAILED, OPEN):
            write_result(folder, (task, method, seed), value)
            _write_costs(folder, (task, method, seed))
        elif value == FAILED:
            failure = {"reason": "train_loss became nan", "kind": "diverged"}
            for stage, name, content in (("search", "architecture", {}), ("retrain", "failure", failure)):
                path = paths.made_path(folder, stage, (task, method, seed)).with_name(f"{name}.json")
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps(content))
    scores = scores_of(KEYS, folder)
    manifests = {}
    for task, more in (("cifar100", {}), ("ecg", {"final_train": 480, "final_test": 43})):
        counts = {"train": 1448, "valid": 39, "test": 36, **more}
        splits = {
            name: {"samples": count, "fields": {"x": {"shape": [3, 8 if name == "train" else 16]}}}
            for name, count in counts.items()
        }
        manifests[task] = folder / f"{task}.json"
        manifests[task].write_text(json.dumps({"splits": splits, "origin": "simulated"}))
    frame = task_frame(TASKS, manifests)
    tasks = _through_csv(frame, read_tasks)
    hours = costs.summarise(costs.job_costs(folder, KEYS), KEYS)
    return Mixed(
        folder,
        _through_csv(summarise(scores, read_reference(REFERENCE)), read_performance),
        scores,
        frame,
        tasks,
        hours,
        _through_csv(hours, costs.read_costs),
        read_histories(folder, KEYS, None, tasks["higher_is_better"].to_dict()),
        reference_performance(read_reference(REFERENCE, LATER)),
    )


def make_paper() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The paper's printed results in the form of a run's, and its tasks."""
    performance = _through_csv(reference_performance(read_reference(REFERENCE)), read_performance)
    return performance, _through_csv(task_frame(PAPER_TASKS, {}), read_tasks)


def _through_csv(frame, read):
    return read(io.StringIO(forms.csv_text(frame)))


def _write_costs(folder: Path, key) -> None:
    """Hours, devices and memory that differ by stage, task and seed; losses that fall, scores that rise and fall."""
    task, method, seed = key
    searched = not method.startswith("wrn-default")
    device = "cuda" if task == "cifar100" else "cpu"
    for stage, steps in LENGTHS.items():
        if stage == "search" and not searched:
            continue
        steps -= seed and stage == "search"  # a search that ends sooner
        about = {"device": device, "device_name": device.upper(), "simulated": True, "peak_memory_mb": 512 + 512 * seed}
        about |= {"peak_gpu_memory_mb": 4096} if device == "cuda" else {}
        each = (0.02 if task == "darcy" else 900.0) * (1 + seed) * (2 if stage == "retrain" else 1)
        about |= {"commit": f"{seed}" * 40, "versions": {"torch": f"2.{seed}"}} if task == "cifar100" else {}
        about |= {"wall_seconds": each * steps, "history_seconds": [each] * steps}
        path = paths.cost_path(folder, stage, key)
        log = folder / "logs" / stage / task / method / f"{seed}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{'x' * 1500}\nbar 1\rbar 2\n" if key == KEYS[0] else "\n")
        path.write_text(json.dumps({**remembered(path), **about}))
        if stage == "retrain":
            rows = ["epoch,lr,train_loss,valid_loss"]
            rows += [f"{n},0.1,{4 / (n + 1 + seed)},{3 - n / 2 if n % 2 else ''}" for n in range(steps)]
        elif method == "wrn-asha":
            rows = ["trial,epochs,diverged,valid_score"]
            rows += [f"{n},1,{int(n == 1)},{'' if n == 1 else 0.5 - n / 10 + seed / 5}" for n in range(steps)]
        else:
            rows = [
                "epoch,lr,train_loss,valid_loss",
                *(f"{n},0.1,{2 - n / 4},{3 - n / 2 - seed}" for n in range(steps)),
            ]
        paths.history_path(folder, stage, key).write_text("\n".join(rows) + "\n")
