"""Where the files of a run lie."""

from collections.abc import Iterable
from pathlib import Path

from nasperf360.files import remembered

ROOT = Path(__file__).parents[4]

Key = tuple[str, str, int]
"""Task, method and seed of an experiment."""


def shipped(path: str) -> str:
    """A file that comes with the workflow, ``config/...``: the working directory's own where it has one."""
    return path if Path(path).exists() else str(ROOT / path)


def search_seed(seed: int, searches: int | None) -> int:
    """The seed of the search whose architecture an experiment's seed trains (``searches`` of the configuration)."""
    return seed % searches if searches else seed


MADE = {"search": "architecture.json", "retrain": "cost.json", "evaluate": "result.json"}
"""The stages of an experiment, in order, and the file that each writes last."""

PREDICTIONS = "predictions.h5"

COSTS = ("search", "retrain")
"""The stages whose costs are counted."""


def made_path(folder: str | Path, stage: str, key: Key) -> Path:
    """What the job of that seed writes last, below ``results/<run>``."""
    task, method, seed = key
    return Path(folder, stage, task, method, str(seed), MADE[stage])


def predictions_path(folder: str | Path, key: Key) -> Path:
    """What the network of that seed says of the test samples, where it was kept."""
    return made_path(folder, "retrain", key).with_name(PREDICTIONS)


def result_path(folder: str | Path, key: Key) -> Path:
    """Where an experiment's result lies below ``results/<run>``."""
    return made_path(folder, "evaluate", key)


def architecture_path(folder: str | Path, key: Key) -> Path:
    """Where the architecture that an experiment trains lies below ``results/<run>``, by the study asked for last."""
    return stage_path(folder, "search", key)


def stage_path(folder: str | Path, stage: str, key: Key) -> Path:
    """What a stage of an experiment writes last: of its search, which others may share, or the job of its own seed."""
    searches = remembered(Path(folder, "study.json")).get("searches")
    return made_path(folder, stage, searched(key, searches) if stage == "search" else key)


def searched(key: Key, searches: int | None) -> Key:
    """The experiment of the search that finds what this one trains."""
    task, method, seed = key
    return task, method, search_seed(seed, searches)


def cost_path(folder: str | Path, stage: str, key: Key) -> Path:
    """Where the cost of the search or training of that seed lies below ``results/<run>``."""
    return made_path(folder, stage, key).with_name("cost.json")


def costly(keys: Iterable[Key], searches: int | None = None) -> list[tuple[str, Key]]:
    """The searches and trainings of experiments, as stage and key, each once."""
    return list(
        dict.fromkeys((stage, searched(key, searches) if stage == "search" else key) for key in keys for stage in COSTS)
    )


def cost_paths(folder: str | Path, keys: Iterable[Key], searches: int | None = None) -> list[Path]:
    """The cost files of all experiments."""
    return [cost_path(folder, stage, key) for stage, key in costly(keys, searches)]


def history_path(folder: str | Path, stage: str, key: Key) -> Path:
    """Where a search or training of that seed wrote what it measured, below ``results/<run>``."""
    return cost_path(folder, stage, key).with_name("history.csv")


def history_paths(folder: str | Path, keys: Iterable[Key], searches: int | None = None) -> list[Path]:
    """The histories of all experiments."""
    return [history_path(folder, stage, key) for stage, key in costly(keys, searches)]


def data_folder(folder: str | Path) -> Path:
    """The folder of the run whose data the run in ``folder`` works on."""
    return Path(folder).parent / remembered(Path(folder, "study.json")).get("data_run", Path(folder).name)
