"""Which experiments of a run are not complete, and why."""

from pathlib import Path
from typing import NamedTuple

from nasperf360.errors import again
from nasperf360.labels import FAILED
from nasperf360.locks import works_in
from nasperf360.study.paths import COSTS, MADE, Key, data_folder, searched, stage_path
from nasperf360.study.results import State, state
from nasperf360.study.running import job_folders, lock_folder, running
from nasperf360.study.runs import read_study
from nasperf360.tasks.shared.task_spec import task_spec

WRITTEN_BEFORE = {"search": "cost.json", "retrain": "model.pt"}
"""What stages write just before the file that they write last; both go when the stage begins."""


class Missing(NamedTuple):
    """An experiment without a result that follows from its search."""

    key: Key
    reason: str
    log: Path | None
    runs: bool = False
    failed: bool = False

    def __str__(self) -> str:
        task, method, seed = self.key
        return f"{task} {method} seed {seed}: {self.reason}" + (f"; see {self.log}" if self.log else "")


def missing(folder: Path) -> list[Missing]:
    """The experiments of the study that ``folder`` holds which are not complete, in the study's order.

    Raises:
        UserError: the folder holds no study.
    """
    states = {key: state(folder, key) for key in read_study(folder).experiments}
    return [
        _missing(folder, key, found.stage, found)._replace(failed=found.outcome == FAILED)
        for key, found in states.items()
        if found.stage is not None
    ]


def _missing(folder: Path, key: Key, stage: str, found: State) -> Missing:
    log = _log(folder, stage, key)
    job = _searched(folder, stage, key)
    process = None
    if stage in COSTS:
        own, *workers = job_folders(lock_folder(folder, stage, job))
        process = works_in(own)
        logs = {own: log} | {place: _log_of_worker(folder, job, place.name) for place in workers}
        now = [(running(held, stage, job, logs[place]), logs[place]) for place in logs if (held := works_in(place))]
        if now:
            return Missing(key, f"{stage} {', and '.join(str(there) for there, _ in now)}", now[0][1], runs=True)
    if found.failure is None and stage in MADE:
        made = stage_path(folder, stage, key)
        if made.is_file():
            return Missing(key, str(found), None)  # the log is of what is at hand
        if _lost(made, stage, log):
            return Missing(key, f"its {made.name} is missing, though {stage} ran; {again(made)}", log)
    if found.failure is None and not found.stale and log:  # it left no reason
        return Missing(key, f"{stage} was {'started and did not finish' if process is None else 'killed'}", log)
    return Missing(key, str(found), log)


def _lost(made: Path, stage: str, log: Path | None) -> bool:
    """Whether a stage had made a file that somebody removed."""
    if stage not in WRITTEN_BEFORE:  # an evaluation takes a second: who finds none under way finds one that ended
        return log is not None
    return made.with_name(WRITTEN_BEFORE[stage]).is_file()


def _searched(folder: Path, stage: str, key: Key) -> Key:
    """The experiment whose job of that stage this one waits for."""
    return searched(key, read_study(folder).searches) if stage == "search" else key


def _log(folder: Path, stage: str, key: Key) -> Path | None:
    """The log of a stage that was started."""
    task, method, seed = _searched(folder, stage, key)
    logs = data_folder(folder) / "logs"
    paths = {
        "preprocess": [logs / "preprocess" / f"{task}.log"],
        # Of a published data set, or of the raw files, which may be those of another task.
        "download": [logs / "download" / f"{name}.log" for name in (task, task_spec(task).raw)],
    }.get(stage, [folder / "logs" / stage / task / method / f"{seed}.log"])
    if stage == "search":
        paths += sorted(_log_of_worker(folder, (task, method, seed)).parent.glob("*.log"))
    return next((path for path in paths if path.is_file()), None)


def _log_of_worker(folder: Path, key: Key, worker: str = "1") -> Path:
    task, method, seed = key
    return folder / "logs" / "search" / task / method / str(seed) / "workers" / f"{worker}.log"
