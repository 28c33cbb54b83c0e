"""Tasks, search spaces and search algorithms, found by name: each is a folder whose files (rooms) one stage loads."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

PACKAGE = Path(__file__).parent

Kind = Literal["tasks", "spaces", "algorithms"]


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """All tasks, spaces or algorithms: the folders with a ``spec.py``, sorted."""
    return tuple(sorted(path.parent.name for path in (PACKAGE / kind).glob("*/spec.py")))


def room(kind: Kind, name: str, file: str) -> ModuleType:
    """The module ``<kind>/<name>/<file>.py``; nothing else is imported."""
    return import_module(room_name(kind, name, file))


def has_room(kind: Kind, name: str, file: str) -> bool:
    """Whether that task, space or algorithm has such a file; there may be none of that name."""
    return (PACKAGE / kind / name / f"{file}.py").is_file()


def room_name(kind: Kind, name: str, file: str) -> str:
    """``nasperf360.tasks.ecg.metric`` for ``tasks``, ``ecg``, ``metric``."""
    return f"{__package__}.{kind}.{name}.{file}"
