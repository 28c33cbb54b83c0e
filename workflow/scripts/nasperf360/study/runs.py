"""A run's folder records its scale and source, and refuses another: two studies never mix in one folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import read_json
from nasperf360.job import log
from nasperf360.study import configuration
from nasperf360.study.expected import expected_study
from nasperf360.study.paths import Key, result_path
from nasperf360.study.run_files import about_path, write_run

KEYS = ("scale", "source")
ESTIMATED = (
    *("data_run", "tasks", "methods", "method_definitions", "seeds", "searches", "precision"),
    *("spaces", "search", "retrain"),
)
"""What the hours of a study follow from."""


def about(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``run.json`` holds: what all results in the folder have in common."""
    return {key: config[key] for key in KEYS}


def asked_for(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``study.json`` holds."""
    return {
        "data_run": config["data_run"],
        "tasks": config["tasks"],  # some may have no experiment
        "experiments": [list(pair) for pair in configuration.experiments(dict(config))],
        "seeds": config["seeds"],
        "searches": config["searches"],
        "expected": expected_study(config),
    }


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``settings.json`` holds."""
    return {key: config[key] for key in ESTIMATED}


def check(config: dict[str, Any]) -> None:
    """Compare the configuration with what the folders of its run and of its data record; warn of data yet to be made.

    Raises:
        UserError: a folder belongs to another scale or source, or there cannot be one.
    """
    results = Path("results")
    if os.path.lexists(results) and not results.is_dir():
        raise UserError(f"{results}: no folder, but a file or a link to nothing; move it away, or correct the link")
    for name in ("run", "data_run"):
        path = about_path(config[name])
        if not path.exists():
            continue
        for key, value in read_json(path).items():
            if config[key] != value:
                raise UserError(
                    f"{name}: results/{config[name]} was made with {key}: {value}, now {key}: {config[key]} is given; "
                    f"choose another name with {name}=..."
                )
    data = Path("results") / config["data_run"]
    if config["data_run"] != config["run"] and not data.exists():
        log(f"Warning: data_run: {data} does not exist, so its data would be made anew; is the name right?")


def record(config: Mapping[str, Any]) -> None:
    """Write what :func:`check` compares, and the study as it was asked for last, once a run starts.

    Raises:
        UserError: the folder cannot be written to.
    """
    write_run(config["run"], about(config), asked_for(config), settings(config))


@dataclass(frozen=True)
class Study:
    """What a run was last asked for."""

    data_run: str
    tasks: list[str]
    experiments: list[tuple[str, str, int]]  # task, method, seed
    searches: int | None  # per experiment; None: one for each seed
    expected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # settings by stage, and "task method"


def check_own(run: str, experiments: Sequence[Key]) -> None:
    """Who only looks at a run gives its own configuration: whatever is given is written down as what was asked of it.

    Args:
        run: its name.
        experiments: that the configuration asks for.

    Raises:
        UserError: the run never had some of them, neither in its study nor as results.
    """
    folder = Path("results") / run
    if not (folder / "study.json").is_file():
        return
    there = {*read_study(folder).experiments}
    strange = [key for key in experiments if key not in there and not result_path(folder, key).exists()]
    if strange:
        raise UserError(
            f"{folder} was never asked for {len(strange)} of these {len(experiments)} experiments, such as "
            f"{' '.join(map(str, strange[0]))}; give its own tasks, methods and seeds by --config or --configfile, "
            f"or run these first"
        )


def read_study(folder: Path) -> Study:
    """The study of ``results/<run>``.

    Raises:
        UserError: there is none.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise UserError(f"{folder}: no run has been started there (it has no study.json)")
    study = read_json(path)
    try:
        experiments = [(task, method, seed) for task, method in study["experiments"] for seed in study["seeds"]]
        return Study(study["data_run"], study["tasks"], experiments, study.get("searches"), study.get("expected", {}))
    except KeyError as error:
        raise UserError(f"{path}: lacks the key {error}; it is of an earlier version: run it anew") from error
