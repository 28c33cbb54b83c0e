"""What the contract tests share: the demo's configuration with every method of a pair, and data of each task.

A task, space or algorithm in a folder of its own is found by its name, and so is tested with no line here. It takes the
settings of the demo scale: give yours in ``config/scales/demo.yaml``, or in a file for ``--configfile`` that the
environment variable ``NASPERF_CONTRACT_CONFIG`` names.

``demo_data.json`` says what the demo's data are in a few numbers; after a change that is meant to change them,
``python tests/contracts/write_demo_data.py`` writes it anew.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nasperf360.data.datasets import Dataset
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
from nasperf360.data.simulate import simulate
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import task_spec

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = Path(__file__).with_name("demo_data.json")

# What the workflow would have read of an architecture.json, which is what the algorithm ``given`` takes.
READ = {"architecture": {"space": "wrn"}, "task": "synthetic", "parameters": 0, "multiply_adds": 0, "sha256": "abc"}


@cache
def config(task: str, method: str) -> configuration.Config:
    """The demo scale, of one experiment."""
    given = read_yaml(ROOT / "config" / "config.yaml")
    given = merge(given, {"search": {"given": {"all": {"architecture": READ}}}})
    if own := os.environ.get("NASPERF_CONTRACT_CONFIG"):
        given = merge(given, read_yaml(Path(own)))
    return configuration.resolve({**given, "scale": "demo", "tasks": [task], "methods": [method]})


def simulated(task: str, folder: Path) -> RawFiles:
    """Raw files as the demo simulates them."""
    owner = task_spec(task).raw
    options: Any = configuration.simulate_options(config(owner, "wrn-default"), owner)
    return RawFiles.open(simulate(owner, folder, options))


def processed(task: str, raw: RawFiles, path: Path) -> Dataset:
    """The data set that the demo makes of them."""
    preprocess(task, raw, path, configuration.preprocess_options(config(task, "wrn-default"), task))
    return Dataset(path)


def summary(dataset: Dataset) -> dict[str, dict[str, list[float]]]:
    """By split and field: samples, mean, deviation, and the mean weighted by place along each axis."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in dataset.manifest["splits"]:
        split, found[name] = dataset.split(name), {}
        for field in split.fields:
            values = split.load(field).astype(np.float64)
            weighted = [
                np.moveaxis(values, axis, -1).dot(np.linspace(-1, 1, size)).mean() / size
                for axis, size in enumerate(values.shape)
            ]
            numbers = [len(values), values.mean(), values.std(), *weighted]
            found[name][field] = [float(f"{number:.6g}") for number in numbers]
    return found
