"""Options of simulators (``simulate.<task>``) and of preprocessing (``prepare.<task>``), checked before anything runs.

A module of ``simulators/`` or ``tasks/`` declares those that it knows, with their defaults, as ``OPTIONS``: what
replaces a default is of its type, and a list of its length. A pair (least, most) stands there as a tuple. A module
without ``OPTIONS`` is not checked.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nasperf360.errors import UserError
from nasperf360.setting_names import KINDS, Kind, SettingNames, is_number

FOLDERS = {"simulate": "simulators", "prepare": "tasks"}
"""Sections with options, and whose options they are."""


def check_options(section: Mapping[str, Mapping[str, Any]], part: str) -> None:
    """Refuse options that their module does not know, and values unlike its defaults.

    Args:
        section: options by task.
        part: its key, ``simulate`` or ``prepare``.

    Raises:
        UserError: names the first wrong one.
    """
    for task, given in section.items():
        defaults = declared(part, task) if given else None
        if defaults is not None:
            SettingNames.of(optional=" ".join(defaults)).check(given, f"{part}.{task}")
            for name, value in given.items():
                kind = _kind(defaults[name])
                if not kind.holds(value):
                    raise UserError(f"config: {part}.{task}.{name}: {value!r} was given, {kind.wanted} is expected")


def declared(part: str, task: str) -> Mapping[str, Any] | None:
    """``OPTIONS`` of a task's simulator or preprocessing; none where it has no simulator, None where undeclared."""
    name = f"nasperf360.{FOLDERS[part]}.{task}"
    if find_spec(name) is None:
        return {}
    return getattr(import_module(name), "OPTIONS", None)


def _kind(default: Any) -> Kind:
    """What may replace a default; anything where it is of no kind that is known here, such as a mapping."""
    match default:
        case bool():
            return KINDS["flag"]
        case int():
            return Kind("a whole number of 1 or more", KINDS["count"].holds)
        case float():
            return Kind("a number of 0 or more", KINDS["amount"].holds)
        case str():
            return Kind("a text", lambda value: type(value) is str)
        case (least, most) if type(default) is tuple and is_number(least) and is_number(most):
            return Kind(
                f"a list of two {_numbers(default)} above 0, the smaller first,",
                lambda value: _are_like(value, default) and 0 < value[0] <= value[1],
            )
        case [_, *_] if all(map(is_number, default)):
            return Kind(
                f"a list of {len(default)} {_numbers(default)} of 0 or more",
                lambda value: _are_like(value, default) and min(value) >= 0,
            )
    return KINDS[""]


def _numbers(default: Any) -> str:
    return "whole numbers" if type(default[0]) is int else "numbers"


def _are_like(value: Any, default: Any) -> bool:
    """Whether a value is a list of as many numbers, whole ones where those of the default are."""
    whole = type(default[0]) is int
    return (
        type(value) is list
        and len(value) == len(default)
        and all(type(item) is int if whole else is_number(item) for item in value)
    )
