"""Which cells of a run are not complete, and why."""

from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from nasperf360.study.results import COMPLETE, STALE, Cell, architecture_path, data_folder, state
from nasperf360.study.runs import read_study
from nasperf360.tasks import get_task

NAMES = {"search": "architecture.json", "retrain": "result.json"}
"""What the stages of a cell make."""


class Missing(NamedTuple):
    """A cell without a result that follows from its search."""

    cell: Cell
    reason: str
    log: Path | None

    def __str__(self) -> str:
        task, method, seed = self.cell
        return f"{task} {method} seed {seed}: {self.reason}" + (f"; see {self.log}" if self.log else "")


def again(path: Path) -> str:
    """How to make a file anew that Snakemake takes for up to date, or does not miss since what is made of it exists."""
    return f"make it anew: snakemake --cores 1 --force {path}, with the run's --config"


def missing(folder: Path) -> list[Missing]:
    """The cells of the study that ``folder`` holds which are not complete, in the study's order.

    Raises:
        UserError: the folder holds no study.
    """
    states = [(cell, state(folder, cell)) for cell in read_study(folder).cells]
    return [_missing(folder, cell, found) for cell, found in states if found != COMPLETE]


def _missing(folder: Path, cell: Cell, reason: str) -> Missing:
    logs = _logs(folder, cell)
    stage, failed, _ = reason.partition(" failed: ")
    if not failed:
        stage = _next_stage(folder, cell, logs)
        if lost := _lost(folder, cell, stage):
            reason = f"its {lost.name} is missing, though {stage} made it; {again(lost)}"
        elif reason == STALE:
            logs.pop("retrain", None)  # it is of the result at hand
        elif stage in logs:  # and left no reason: it was killed, or runs
            reason = f"{stage} was started and did not finish"
    return Missing(cell, reason, logs.get(stage))


def _next_stage(folder: Path, cell: Cell, logs: Container[str]) -> str:
    """The stage whose outputs a cell lacks."""
    if architecture_path(folder, cell).is_file():
        return "retrain"
    if (data_folder(folder) / "data" / f"{cell[0]}.json").is_file():
        return "search"
    return "preprocess" if "preprocess" in logs else "download"


def _lost(folder: Path, cell: Cell, stage: str) -> Path | None:
    """What a stage had made and somebody removed: its costs, written just before, go with it when the stage begins."""
    if stage not in NAMES:
        return None
    made = Path(folder, stage, *map(str, cell), NAMES[stage])
    return made if made.with_name("cost.json").is_file() and not made.exists() else None


def _logs(folder: Path, cell: Cell) -> dict[str, Path]:
    """The log of each stage of a cell that was started."""
    task, method, seed = cell
    logs = {stage: folder / "logs" / stage / task / method / f"{seed}.log" for stage in ("search", "retrain")}
    data = data_folder(folder) / "logs"
    logs["preprocess"] = data / "preprocess" / f"{task}.log"
    logs["download"] = data / "download" / f"{task}.log"  # of a published data set, or of the task's own raw files
    if not logs["download"].is_file():
        logs["download"] = data / "download" / f"{get_task(task).raw}.log"
    return {stage: log for stage, log in logs.items() if log.is_file()}
