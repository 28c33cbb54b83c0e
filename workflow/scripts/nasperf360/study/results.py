"""How far each experiment of a run is. The workflow itself imports this, so nothing heavy here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nasperf360.errors import UserError
from nasperf360.files import digest_file, read_json, remembered
from nasperf360.labels import COMPLETE, FAILED, OPEN
from nasperf360.study.paths import (
    MADE,
    Key,
    architecture_path,
    cost_paths,
    data_folder,
    made_path,
    result_path,
    stage_path,
)
from nasperf360.tasks.shared.readers import raw_owner

NOT_RUN = "not run"
WITHOUT_RESULT = ("interrupted", "device")
"""Kinds of ends that say nothing of the experiment."""
STALE = "stale: the result is of an earlier search or training"


@dataclass(frozen=True)
class State:
    """How far an experiment is; as text what tables show of it.

    Args:
        stage: the first that failed or is yet to be done, ``download`` and ``preprocess`` too; None where none is.
        failure: why it failed, or ended before.
        stale: there is a result, but of an earlier search or training.
        kind: of the failure, where it is not any: ``diverged``, or one of :data:`WITHOUT_RESULT`, which is none.
    """

    stage: str | None = None
    failure: str | None = None
    stale: bool = False
    kind: str | None = None

    @property
    def complete(self) -> bool:
        """Whether there is a result that follows from the search and the training at hand."""
        return self.stage is None

    @property
    def outcome(self) -> str:
        """``complete``, ``failed`` where a stage left its reason, or ``open``, also where one was interrupted."""
        if self.complete:
            return COMPLETE
        return OPEN if self.failure is None or self.kind in WITHOUT_RESULT else FAILED

    def __str__(self) -> str:
        if self.complete:
            return COMPLETE
        if self.failure is not None:
            return f"{self.stage} {'' if self.kind in WITHOUT_RESULT else 'failed: '}{self.failure}"
        return STALE if self.stale else NOT_RUN


def state(folder: str | Path, key: Key) -> State:
    """How far an experiment of ``results/<run>`` is.

    The first stage that failed counts: Snakemake removes the outputs of a job that it starts, but neither the results
    nor the failures of what followed from the last ones.
    """
    stale = result_path(folder, key).is_file()
    if found := _data_failure(data_folder(folder), key[0], stale=stale):
        return found
    for stage in MADE:
        made = stage_path(folder, stage, key)
        if failed := _failed(stage, made.parent, stale=stale):
            return failed
        if not made.is_file():
            workers = [_failed(stage, worker, stale=stale) for worker in sorted(made.parent.glob("workers/*"))]
            if of_workers := [failed for failed in workers if failed]:
                return min(of_workers, key=lambda failed: failed.kind in WITHOUT_RESULT)  # an interruption last
            return State(_first_to_do(data_folder(folder), key[0]) if stage == "search" else stage, stale=stale)
    outdated = _outdated(folder, key)
    return State(outdated, stale=outdated is not None)


def _failed(stage: str, folder: Path, *, stale: bool) -> State | None:
    """What a stage left that did not come to its end, if it could."""
    path = folder / "failure.json"
    if not path.is_file():
        return None
    found = remembered(path)
    return State(stage, str(found.get("reason", f"{path} is damaged")), stale, found.get("kind"))


def _data_failure(data: Path, task: str, *, stale: bool) -> State | None:
    if (data / "data" / f"{task}.json").is_file():
        return None
    for name in (_raw_owner(data, task), task):  # a published data set comes under the task's own name
        raw = data / "raw" / name
        if not (raw / "files.json").is_file() and (failed := _failed("download", raw, stale=stale)):
            return failed
    return _failed("preprocess", data / "data" / task, stale=stale)


def _raw_owner(data: Path, task: str) -> str:
    return raw_owner(task, remembered(data / "run.json").get("source", ""))


def _first_to_do(data: Path, task: str) -> str:
    """The stage that an experiment without an architecture waits for."""
    if (data / "data" / f"{task}.json").is_file():
        return "search"
    return "preprocess" if (data / "raw" / _raw_owner(data, task) / "files.json").is_file() else "download"


def _outdated(folder: str | Path, key: Key) -> str | None:
    """The stage that has to run again for the result to follow from the architecture and the training at hand."""
    try:
        result = read_json(result_path(folder, key))
        holds = (result["task"], result["method"], result["seed"])
        architecture, files = result["provenance"]["settings"]["architecture"], result["files"]
    except (UserError, KeyError, TypeError):
        holds = None
    if holds != key:
        return None  # it is damaged or of another experiment, which whoever reads it says
    if architecture != remembered(architecture_path(folder, key)).get("architecture"):
        return "retrain"
    return None if files == remembered(made_path(folder, "retrain", key)).get("files") else "evaluate"


def snapshot(folder: str | Path, keys: Iterable[Key]) -> dict[str, str]:
    """What there is of each experiment now: the digest of its result, or why it has none.

    A partial run takes this as a param in place of the results as inputs: it reruns when a result came or changed,
    and never asks for one.
    """
    found = {key: state(folder, key) for key in keys}
    return {
        "/".join(map(str, key)): digest_file(result_path(folder, key)) if now.complete else str(now)
        for key, now in found.items()
    }


def cost_snapshot(folder: str | Path, keys: Iterable[Key], searches: int | None = None) -> dict[str, str]:
    """Digest of each cost file that exists now: what a partial run takes as a param in place of inputs."""
    return {str(path): digest_file(path) for path in cost_paths(folder, keys, searches) if path.is_file()}
