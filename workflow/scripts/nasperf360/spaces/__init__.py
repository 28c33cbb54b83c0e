"""Search spaces, one file each, found by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nasperf360.spaces.base import SearchSpace
from nasperf360.tasks.base import Signature


def space_class(name: str) -> type[SearchSpace]:
    """The class of the search space of that name; only its own module is imported."""
    space: type[SearchSpace] = import_module(f"nasperf360.spaces.{name}").SPACE
    return space


def get_space(name: str, signature: Signature, settings: Mapping[str, Any]) -> SearchSpace:
    """The search space of that name for a task's signature."""
    return space_class(name)(signature, settings)
