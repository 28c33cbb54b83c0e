"""NAS-Perf-360 as a library, see docs/library.md; the workflow's own jobs use none of what stands here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasperf360.library import LoadedExperiment, load_experiment

__all__ = ["LoadedExperiment", "load_experiment"]


def __getattr__(name: str) -> Any:
    """Who asks for the library loads torch; who imports the package, as each job does, loads nothing."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.library"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
