"""A small run on disk, and performance tables from plain numbers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from nasperf360.labels import halves
from nasperf360.seeds import generator
from nasperf360.study import results
from nasperf360.tables.performance import COLUMNS

REFERENCE = Path(__file__).resolve().parents[2] / "config" / "reference.csv"
TASKS = {"cifar100": ("0-1 error %", False, 20.0), "darcy": ("relative l2", False, 0.05), "ecg": ("F1", True, 0.6)}
METHODS = ("wrn-default", "darts-gaea")
CELLS = [(task, method, seed) for task in TASKS for method in METHODS for seed in (0, 1)]


def make_run(folder, simulated=True):
    """Write an architecture and a result of it per cell below ``folder``; returns the cells."""
    for cell in CELLS:
        task, method, seed = cell
        name, higher, level = TASKS[task]
        space, algorithm = halves(method)
        path = results.result_path(folder, cell)
        architecture = {"space": space, "lr": 0.1}
        searched = results.architecture_path(folder, cell)
        for made in (path, searched):
            made.parent.mkdir(parents=True)
        searched.write_text(json.dumps({"architecture": architecture}))
        value = level * (1 + 0.2 * generator(*cell).uniform(-1, 1))
        content = {
            "task": task,
            "method": method,
            "space": space,
            "algorithm": algorithm,
            "seed": seed,
            "metric": {"name": name, "higher_is_better": higher},
            "value": value,
            "scores": {"value": value},
            "parameters": 1000,
            "simulated": simulated,
            "provenance": {"settings": {"architecture": architecture}},
        }
        path.write_text(json.dumps(content))
    return CELLS


def scores_of(cells, folder):
    """What is collected, after a round trip through the csv."""
    path = Path(folder) / "scores.csv"
    results.collect(folder, cells).to_csv(path, index=False)
    return results.read_scores(path)


def make_performance(means, higher_is_better=False):
    """A performance table from means by method, a task per entry."""
    rows = []
    for method, values in means.items():
        space, algorithm = halves(method)
        for index, value in enumerate(values):
            rows.append((f"task{index}", space, algorithm, "error", higher_is_better, value, np.nan, 1))
    frame = pd.DataFrame(rows, columns=COLUMNS[:8])
    return frame.assign(reference_mean=np.nan, reference_std=np.nan, status="complete", simulated=False)
