"""Names as the paper prints them; each stands in ``labels.py`` of its task, space or algorithm."""

from collections.abc import Iterable

from nasperf360.registry import Kind, has_room, room

BASELINE = "wrn-default"
COMPLETE = "complete"  # status of an experiment with a result that follows from its search
FAILED, OPEN = "failed", "open"  # of one that left a reason, and of one that is yet to run or to run again
PAPER_TASKS = (  # in the order of Table 1
    "cifar100",
    "spherical",
    "ninapro",
    "fsd50k",
    "darcy",
    "psicov",
    "cosmic",
    "ecg",
    "satellite",
    "deepsea",
)
PAPER_METHODS = (  # in the order of Table 2
    "wrn-default",
    "densenas-random",
    "densenas-original",
    "wrn-asha",
    "darts-gaea",
    "autodl-darts",
    "amber-enas",
)


def method_name(space: str, algorithm: str) -> str:
    """``wrn-asha`` for the halves ``wrn`` and ``asha``."""
    return f"{space}-{algorithm}"


def halves(method: str) -> tuple[str, str]:
    """Space and algorithm: the halves of a method's name."""
    space, _, algorithm = method.partition("-")
    return space, algorithm


def task_label(task: str) -> str:
    """A task as printed."""
    return _label("tasks", task, "TITLE", task)


def objective(task: str) -> str:
    """What a task's networks learn, in a few words."""
    return _label("tasks", task, "OBJECTIVE", "")


def published_size(task: str) -> str:
    """How many samples a task has by the paper."""
    return _label("tasks", task, "PUBLISHED_SIZE", "")


def task_note(task: str) -> str:
    """What a reader of a task's numbers must know; empty for most."""
    if not has_room("tasks", task, "labels"):
        return ""
    text: str = getattr(room("tasks", task, "labels"), "NOTE", "")
    return text


def corrected_scores(task: str) -> tuple[str, ...]:
    """Scores of ``result.json`` that put the task's metric right, in its unit and direction; none for most."""
    if not has_room("tasks", task, "labels"):
        return ()
    names: tuple[str, ...] = getattr(room("tasks", task, "labels"), "CORRECTED_SCORES", ())
    return names


def space_label(space: str) -> str:
    """A space as printed."""
    return _label("spaces", space, "TITLE", space)


def algorithm_label(algorithm: str) -> str:
    """An algorithm as printed."""
    return _label("algorithms", algorithm, "TITLE", algorithm)


def method_label(method: str) -> str:
    """``WRN ASHA`` for ``wrn-asha``."""
    space, algorithm = halves(method)
    return f"{space_label(space)} {algorithm_label(algorithm)}"


def label_modules(kind: Kind, names: Iterable[str]) -> list[str]:
    """The modules of the package that the labels of these come from."""
    return [f"{kind}.{name}.labels" for name in dict.fromkeys(names) if has_room(kind, name, "labels")]


def _label(kind: Kind, name: str, label: str, default: str) -> str:
    """A label, or the default where the folder has none; methods of the paper alone have no folder."""
    if not has_room(kind, name, "labels"):
        return default
    text: str = getattr(room(kind, name, "labels"), label)
    return text
