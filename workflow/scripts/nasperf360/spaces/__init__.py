"""Search spaces, one file each, found by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nasperf360.spaces.base import SearchSpace
from nasperf360.tasks.base import Signature


def get_space(name: str, signature: Signature, settings: Mapping[str, Any]) -> SearchSpace:
    """The search space of that name for a task's signature; only its own module is imported."""
    module = import_module(f"nasperf360.spaces.{name}")
    space: SearchSpace = module.SPACE(signature, settings)
    return space
