"""Tasks, search spaces and search algorithms, found by name: each is a folder whose files (rooms) one stage loads."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from nasperf360.errors import UserError

PACKAGE = Path(__file__).parent

Kind = Literal["tasks", "spaces", "algorithms"]
Spec = TypeVar("Spec")


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """All tasks, spaces or algorithms: the folders with a ``spec.py``, sorted."""
    return tuple(sorted(path.parent.name for path in (PACKAGE / kind).glob("*/spec.py")))


def room(kind: Kind, name: str, file: str) -> ModuleType:
    """The module ``<kind>/<name>/<file>.py``; nothing else is imported."""
    return import_module(room_name(kind, name, file))


def spec(kind: Kind, name: str, form: type[Spec]) -> Spec:
    """``SPEC`` of a task, space or algorithm; only its ``spec.py`` is imported.

    Raises:
        UserError: it cannot be imported, or does not define one of that name.
    """
    path = PACKAGE / kind / name / "spec.py"
    try:
        found: Any = getattr(room(kind, name, "spec"), "SPEC", None)
    except Exception as error:  # whatever a slip in it may raise
        raise UserError(f"{path}: cannot be imported ({type(error).__name__}: {error}); correct it") from error
    if not isinstance(found, form):
        raise UserError(f"{path}: defines no SPEC = {form.__name__}(...); add it")
    if (given := getattr(found, "name", None)) != name:
        raise UserError(f"{path}: SPEC has name={given!r}, but its folder is '{name}'; make them one")
    return found


def has_room(kind: Kind, name: str, file: str) -> bool:
    """Whether that task, space or algorithm has such a file; there may be none of that name."""
    return (PACKAGE / kind / name / f"{file}.py").is_file()


def room_name(kind: Kind, name: str, file: str) -> str:
    """``nasperf360.tasks.ecg.metric`` for ``tasks``, ``ecg``, ``metric``."""
    return f"{__package__}.{kind}.{name}.{file}"
