"""Where the files of a run lie."""

from collections.abc import Iterable
from pathlib import Path

from nasperf360.files import remembered

Key = tuple[str, str, int]
"""Task, method and seed of an experiment."""

MADE = {"search": "architecture.json", "retrain": "cost.json", "evaluate": "result.json"}
"""The stages of an experiment, in order, and the file that each writes last."""

COSTS = ("search", "retrain")
"""The stages whose costs are counted."""


def made_path(folder: str | Path, stage: str, key: Key) -> Path:
    """What a stage of an experiment writes last, below ``results/<run>``."""
    task, method, seed = key
    return Path(folder, stage, task, method, str(seed), MADE[stage])


def result_path(folder: str | Path, key: Key) -> Path:
    """Where an experiment's result lies below ``results/<run>``."""
    return made_path(folder, "evaluate", key)


def architecture_path(folder: str | Path, key: Key) -> Path:
    """Where what an experiment's search found lies below ``results/<run>``."""
    return made_path(folder, "search", key)


def cost_path(folder: str | Path, stage: str, key: Key) -> Path:
    """Where the cost of an experiment's search or training lies below ``results/<run>``."""
    return made_path(folder, stage, key).with_name("cost.json")


def cost_paths(folder: str | Path, keys: Iterable[Key]) -> list[Path]:
    """The cost files of all experiments."""
    return [cost_path(folder, stage, key) for key in keys for stage in COSTS]


def data_folder(folder: str | Path) -> Path:
    """The folder of the run whose data the run in ``folder`` works on."""
    return Path(folder).parent / remembered(Path(folder, "study.json")).get("data_run", Path(folder).name)
