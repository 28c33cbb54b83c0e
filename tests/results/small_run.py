"""A small run on disk, and performance tables from plain numbers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from nasperf360.labels import halves
from nasperf360.seeds import generator
from nasperf360.study import paths
from nasperf360.tables.performance import COLUMNS, read_scores
from nasperf360.tables.scores import collect
from nasperf360.tasks.shared.task_spec import task_spec

REFERENCE = Path(__file__).resolve().parents[2] / "config" / "reference.csv"
TASKS = {"cifar100": ("0-1 error %", False, 20.0), "darcy": ("relative l2", False, 0.05), "ecg": ("F1", True, 0.6)}
METHODS = ("wrn-default", "darts-gaea")
EXPERIMENTS = [(task, method, seed) for task in TASKS for method in METHODS for seed in (0, 1)]


def make_run(folder, simulated=True):
    """Write an architecture, a training and a result per experiment below ``folder``; returns the experiments."""
    for key in EXPERIMENTS:
        write_result(folder, key, TASKS[key[0]][2] * (1 + 0.2 * generator(*key).uniform(-1, 1)), simulated)
    return EXPERIMENTS


def write_result(folder, key, value, simulated=True):
    """What a search, a training and an evaluation leave of one experiment."""
    task, method, seed = key
    space, algorithm = halves(method)
    metric = task_spec(task).metric
    architecture, files = {"space": space, "lr": 0.1}, {"predictions.h5": "-".join(map(str, key))}
    content = {
        "task": task,
        "method": method,
        "space": space,
        "algorithm": algorithm,
        "seed": seed,
        "metric": {"name": metric.name, "higher_is_better": metric.higher_is_better},
        "value": value,
        "scores": {"value": value},
        "parameters": 1000,
        "simulated": simulated,
        "files": files,
        "provenance": {"settings": {"architecture": architecture}},
    }
    made = {"search": {"architecture": architecture}, "retrain": {"files": files}, "evaluate": content}
    for stage, written in made.items():
        path = paths.made_path(folder, stage, key)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(written))


def scores_of(keys, folder):
    """What is collected, after a round trip through the csv."""
    path = Path(folder) / "scores.csv"
    collect(folder, keys).to_csv(path, index=False)
    return read_scores(path)


def make_performance(means, higher_is_better=False):
    """A performance table from means by method, a task per entry."""
    rows = []
    for method, values in means.items():
        space, algorithm = halves(method)
        for index, value in enumerate(values):
            rows.append((f"task{index}", space, algorithm, "error", higher_is_better, value, np.nan, 1))
    frame = pd.DataFrame(rows, columns=COLUMNS[:8])
    printed = {"reference_mean": np.nan, "reference_std": np.nan}
    return frame.assign(**printed, seeds_failed=0, seeds_open=0, status="complete", simulated=False)
