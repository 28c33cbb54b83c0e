"""The study of a search: Optuna's journal, in the folder of the search's checkpoint, which workers share."""

import json
import shutil
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import takewhile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from nasperf360.algorithms.shared.problem import Problem
from nasperf360.files import atomic_path
from nasperf360.job import log
from nasperf360.locks import locked
from nasperf360.training.checkpoints import refused_name


def open_study(problem: Problem) -> optuna.Study:
    """The stored study; the caller holds the checkpoint's lock, alone or as one of several workers."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with one_at_a_time(problem):
        return optuna.create_study(
            # The name holds what makes a stored study valid for this job; another code or setting starts its own.
            study_name=problem.checkpoint.digest,
            storage=_storage(problem.checkpoint.folder, shared=problem.settings.workers > 1),
            load_if_exists=True,
            direction="maximize" if problem.task.spec.metric.higher_is_better else "minimize",
        )


def one_at_a_time(problem: Problem) -> AbstractContextManager[None]:
    """Within, no other worker opens the study or takes a trial."""
    folder = problem.checkpoint.folder / "taking"
    return locked(folder, quiet=True) if problem.settings.workers > 1 else nullcontext()


def _storage(folder: Path, *, shared: bool) -> JournalStorage:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.log"
    return JournalStorage(JournalFileBackend(str(path), _Shared(path) if shared else _alone(path)))


def _alone(path: Path) -> JournalFileOpenLock:
    """Optuna's own lock, for a file system without locks too. It outlives a kill during a write; under the
    checkpoint's lock nobody else can hold it.
    """
    path.with_name("study.log.lock").unlink(missing_ok=True)
    _mend(path)
    return JournalFileOpenLock(str(path))


class _Shared:
    """As Optuna's locks of a journal, but the operating system's: a killed worker leaves none to the others.

    Nor the line that it had begun to write, to whose end the next one would write its own.
    """

    def __init__(self, path: Path):
        self._path, self._held = path, ExitStack()
        with locked(self._folder, quiet=True):
            _mend(path)

    @property
    def _folder(self) -> Path:
        return self._path.with_name("journal")

    def acquire(self) -> bool:
        self._held.enter_context(locked(self._folder, quiet=True))
        _drop_half_line(self._path)
        return True

    def release(self) -> None:
        self._held.close()


def _drop_half_line(path: Path) -> None:
    """Cut off what stands behind the last end of a line."""
    with open(path, "r+b") as stream:
        content = stream.read()
        if not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)


def _mend(path: Path) -> None:
    """Keep the lines of a damaged journal up to the damage: a kill or a full disk can cut a line short."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    sound = list(takewhile(_is_record, lines))
    if len(sound) == len(lines):
        return
    aside = refused_name(path)
    shutil.copyfile(path, aside)
    with atomic_path(path) as partial:
        partial.write_bytes(b"".join(sound))
    log(
        f"{path}: damaged at line {len(sound) + 1} of {len(lines)}; set aside as {aside.name}, "
        f"going on from the lines before"
    )


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):  # not JSON, not text, or a number
        return False
