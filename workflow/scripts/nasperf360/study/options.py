"""Options of simulators (``simulate.<task>``) and of preprocessing (``prepare.<task>``), checked before anything runs.

A module of ``simulators/`` or ``tasks/`` declares those that it knows, with their defaults, as ``OPTIONS``: what
replaces a default is of its type, and a list of its length. A pair (least, most) stands there as a tuple. A module
without ``OPTIONS`` is not checked.
"""

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nasperf360.errors import UserError
from nasperf360.setting_names import SettingNames

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
                expected, fits = _kind(defaults[name])
                if not fits(value):
                    raise UserError(f"config: {part}.{task}.{name}: {value!r} was given, {expected} is expected")


def declared(part: str, task: str) -> Mapping[str, Any] | None:
    """``OPTIONS`` of a task's simulator or preprocessing; none where it has no simulator, None where undeclared."""
    name = f"nasperf360.{FOLDERS[part]}.{task}"
    if find_spec(name) is None:
        return {}
    return getattr(import_module(name), "OPTIONS", None)


def _kind(default: Any) -> tuple[str, Callable[[Any], bool]]:
    """What may replace a default, in words and as a test; anything where it is of another kind, such as a mapping."""
    match default:
        case bool():
            return "true or false", lambda value: type(value) is bool
        case int():
            return "a whole number of 1 or more", lambda value: type(value) is int and value >= 1
        case float():
            return "a number of 0 or more", lambda value: _is_number(value) and value >= 0
        case str():
            return "a text", lambda value: type(value) is str
        case (least, most) if type(default) is tuple and _is_number(least) and _is_number(most):
            return (
                f"a list of two {_numbers(default)} above 0, the smaller first,",
                lambda value: _are_like(value, default) and 0 < value[0] <= value[1],
            )
        case [_, *_] if all(map(_is_number, default)):
            return (
                f"a list of {len(default)} {_numbers(default)} of 0 or more",
                lambda value: _are_like(value, default) and min(value) >= 0,
            )
    return "anything", lambda value: True


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _numbers(default: Any) -> str:
    return "whole numbers" if type(default[0]) is int else "numbers"


def _are_like(value: Any, default: Any) -> bool:
    """Whether a value is a list of as many numbers, whole ones where those of the default are."""
    whole = type(default[0]) is int
    return (
        type(value) is list
        and len(value) == len(default)
        and all(type(item) is int if whole else _is_number(item) for item in value)
    )
