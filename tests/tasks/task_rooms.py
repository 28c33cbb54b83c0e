"""What tests of tasks share: raw files simulated or given, the data set made of them, and scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.datasets import Dataset
from nasperf360.data.preprocess import preprocess as write_dataset
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.registry import room
from nasperf360.seeds import generator
from nasperf360.tasks.shared.metrics import Targets, further_scores, task_metric
from nasperf360.tasks.shared.task_spec import task_spec

RawList = list[tuple[Path, str, dict[str, Any]]]


def simulated(task: str, folder: Path, options: Mapping[str, Any], rng: np.random.Generator) -> RawList:
    """What the simulator of a task writes, with these options and its defaults."""
    settings = task_spec(task).simulate
    assert settings is not None
    files: RawList = room("tasks", task, "simulator").simulate(folder, settings.model_validate(options), rng)
    return files


def simulate(task: str, folder: Path, options: Mapping[str, Any], seed: str = "simulate") -> RawFiles:
    """Simulated raw files of a task in ``folder``, with their manifest."""
    return listed(task, folder, simulated(task, folder, options, generator(task, seed)), "simulated")


def listed(task: str, folder: Path, files: RawList, origin: str = "original") -> RawFiles:
    """Raw files with a freshly written manifest in ``folder``."""
    write_manifest(folder / "files.json", task, origin, "test", files)
    return RawFiles.open(folder / "files.json")


def preprocess(task: str, raw: RawFiles, path: Path, options: Mapping[str, Any]) -> Dataset:
    """The data set that a task makes of raw files, with these options and its defaults."""
    write_dataset(task, raw, path, options)
    return Dataset(path)


def scores(task: str, outputs: np.ndarray, targets: Targets) -> dict[str, float]:
    """The metric of a task, as ``value``, and its further scores."""
    return {"value": task_metric(task)(outputs, targets), **further_scores(task, outputs, targets)}
