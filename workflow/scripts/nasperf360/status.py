"""Which cells of a run have no result, and why."""

from pathlib import Path
from typing import NamedTuple

from nasperf360.results import Cell, reason_missing, result_path
from nasperf360.runs import Study, read_study


class Missing(NamedTuple):
    """A cell without a result."""

    cell: Cell
    reason: str
    log: Path | None

    def __str__(self) -> str:
        task, method, seed = self.cell
        return f"{task} {method} seed {seed}: {self.reason}" + (f"; see {self.log}" if self.log else "")


def missing(folder: Path) -> list[Missing]:
    """The cells of the study that ``folder`` holds which have no result, in the study's order.

    Raises:
        UserError: the folder holds no study.
    """
    study = read_study(folder)
    return [_missing(folder, study, cell) for cell in study.cells if not result_path(folder, cell).is_file()]


def _missing(folder: Path, study: Study, cell: Cell) -> Missing:
    task, method, seed = cell
    reason = reason_missing(folder, cell)
    data = folder.parent / study.data_run
    logs = {stage: folder / "logs" / stage / task / method / f"{seed}.log" for stage in ("retrain", "search")}
    if reason != "not run":
        return Missing(cell, reason, logs[reason.split()[0]])
    for stage, log in logs.items():
        if log.is_file() and not (stage == "search" and _found(folder, cell)):
            return Missing(cell, f"{stage} was started and did not finish", log)
    if not (data / "data" / f"{task}.json").is_file():
        for stage in ("preprocess", "download"):
            if (log := data / "logs" / stage / f"{task}.log").is_file():
                return Missing(cell, f"no data: {stage} did not finish", log)
    return Missing(cell, reason, None)


def _found(folder: Path, cell: Cell) -> bool:
    task, method, seed = cell
    return (folder / "search" / task / method / str(seed) / "architecture.json").is_file()
