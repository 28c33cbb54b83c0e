"""What the study cost: the cost files of searches and retrainings, as hours per task and method."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from nasperf360.errors import DataError
from nasperf360.files import read_json
from nasperf360.labels import algorithm_label, halves, space_label, task_label
from nasperf360.study.paths import COSTS, Key, cost_path, costly
from nasperf360.tables.forms import Table
from nasperf360.tables.stored import COUNT, FLAG, NUMBER, TEXT, read_table

_STAGE = {"hours": NUMBER, "hours_per_seed": NUMBER, "seeds": COUNT, "device": TEXT, "memory_gb": NUMBER}
KINDS = {
    **dict.fromkeys(("task", "space", "algorithm", "device_names"), TEXT),
    **{f"{stage}_{name}": kind for stage in COSTS for name, kind in _STAGE.items()},
    "hours_per_seed": NUMBER,
    "simulated": FLAG,
}
DEVICES = {"cuda": "GPU", "cpu": "CPU"}
MIXED = "mixed"


def job_costs(folder: str | Path, keys: Iterable[Key], searches: int | None = None) -> pd.DataFrame:
    """A row per job that has a cost file: task, method, seed, stage, hours, device, memory.

    A search that seeds share is one job.

    Raises:
        DataError: a cost file that lacks a key.
    """
    columns = ["task", "method", "seed", "stage", "hours", "device", "device_name", "memory_gb", "simulated"]
    rows = [
        _job(cost_path(folder, stage, key), key, stage)
        for stage, key in costly(keys, searches)
        if cost_path(folder, stage, key).is_file()
    ]
    return pd.DataFrame(rows, columns=columns)


def _job(path: Path, key: Key, stage: str) -> dict[str, Any]:
    task, method, seed = key
    cost = read_json(path)
    try:
        return {
            "task": task,
            "method": method,
            "seed": seed,
            "stage": stage,
            "hours": cost["wall_seconds"] / 3600,
            "device": DEVICES.get(cost["device"], cost["device"]),
            "device_name": cost["device_name"],
            "memory_gb": cost.get("peak_gpu_memory_mb", cost["peak_memory_mb"]) / 1024,
            "simulated": cost["simulated"],
        }
    except KeyError as error:
        raise DataError(f"{path}: lacks the key {error}; delete it and run again") from error


def summarise(jobs: pd.DataFrame, keys: Iterable[Key]) -> pd.DataFrame:
    """One row per task and method, in the order of ``keys``.

    ``<stage>_hours`` is the sum over seeds, ``<stage>_hours_per_seed`` their mean, ``hours_per_seed`` that of both
    stages, empty where either has none; ``<stage>_device`` is GPU (GPU-hours), CPU (CPU-hours) or mixed;
    ``<stage>_memory_gb`` is the largest peak, of the GPU's memory where the job ran on one. A job's hours are its wall
    time, whatever the number of CPU threads.
    """
    rows = []
    for task, method in dict.fromkeys((task, method) for task, method, _ in keys):
        space, algorithm = halves(method)
        row: dict[str, Any] = {"task": task, "space": space, "algorithm": algorithm}
        here = jobs[(jobs["task"] == task) & (jobs["method"] == method)]
        for stage in COSTS:
            part = here[here["stage"] == stage]
            devices = sorted(part["device"].unique())
            row |= {
                f"{stage}_hours": part["hours"].sum() if len(part) else math.nan,
                f"{stage}_hours_per_seed": part["hours"].mean(),
                f"{stage}_seeds": len(part),
                f"{stage}_device": devices[0] if len(devices) == 1 else MIXED if devices else "",
                f"{stage}_memory_gb": part["memory_gb"].max(),
            }
        row["hours_per_seed"] = row["search_hours_per_seed"] + row["retrain_hours_per_seed"]
        row["device_names"] = "; ".join(sorted(here["device_name"].unique()))
        row["simulated"] = bool(here["simulated"].any())
        rows.append(row)
    return pd.DataFrame(rows)


def read_costs(path: str | Path) -> pd.DataFrame:
    """``cost.csv`` with a column ``method``."""
    costs = read_table(path, KINDS).fillna({f"{stage}_device": "" for stage in COSTS})
    return costs.assign(method=costs["space"] + "-" + costs["algorithm"])


def cost_table(costs: pd.DataFrame, caption: str) -> Table:
    """Hours of each method over all its tasks and seeds, then on each of them, as the mean over seeds."""
    totals = [
        {
            **_names(f"{len(group)} tasks", *method),
            **_hours(group["search_hours"].sum(), group["retrain_hours"].sum()),
            "Device": _devices(group),
        }
        for method, group in costs.groupby(["space", "algorithm"], sort=False)
    ]
    rows = [
        {
            **_names(task_label(row["task"]), row["space"], row["algorithm"]),
            **_hours(row["search_hours_per_seed"], row["retrain_hours_per_seed"]),
            "Device": _devices(costs.loc[[index]]),
            "Seeds": " / ".join(str(row[f"{stage}_seeds"]) for stage in COSTS),
            "Memory, GB": " / ".join(_gigabytes(row[f"{stage}_memory_gb"]) for stage in COSTS),
        }
        for index, row in costs.iterrows()
    ]
    names = [name for name in "; ".join(costs["device_names"]).split("; ") if name]
    return Table(
        "cost",
        costs,
        caption,
        [pd.DataFrame(totals), pd.DataFrame(rows)],
        text_columns=3,
        notes=[
            "first block: sums over tasks and seeds; second block: means over seeds, their number and the largest peak "
            "of memory, for search / retraining",
            "hours, below a minute seconds (s), are wall time over all attempts at a job: GPU-hours where the device "
            "is a GPU, else CPU-hours; "
            f"mixed: some jobs ran on one, some on the other; devices: {', '.join(sorted(set(names))) or 'none'}",
        ],
        simulated=bool(costs["simulated"].any()),
    )


def _names(task: str, space: str, algorithm: str) -> dict[str, str]:
    return {"Task": task, "Search space": space_label(space), "Search algorithm": algorithm_label(algorithm)}


def _hours(search: float, retrain: float) -> dict[str, str]:
    return {"Search, h": hours(search), "Retraining, h": hours(retrain), "Both, h": hours(search + retrain)}


def _devices(costs: pd.DataFrame) -> str:
    """``GPU`` where all ran there; ``CPU / GPU`` where searches ran on one and retrainings on the other."""
    found = []
    for stage in COSTS:
        devices = set(costs[f"{stage}_device"]) - {""}
        found.append(devices.pop() if len(devices) == 1 else MIXED if devices else "")
    present = list(dict.fromkeys(filter(None, found)))
    return " / ".join(present) if MIXED not in present else MIXED


def _gigabytes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def hours(value: float) -> str:
    """Hours with two significant digits, or all digits before the point; below a minute, seconds, as ``2.3 s``.

    Empty where there are none.
    """
    if math.isnan(value):
        return ""
    if 0 < value < 1 / 60:
        return f"{_two_digits(3600 * value)} s"
    return _two_digits(value)


def _two_digits(value: float) -> str:
    exponent = int(f"{value:.1e}".partition("e")[2])
    return f"{value:,.{max(0, 1 - exponent) if value else 0}f}"
