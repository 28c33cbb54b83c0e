"""Which file of a task's folder reads its raw files, and whose raw files they are, by where they come from."""

from nasperf360.tasks.shared.task_spec import task_spec

BENCHMARK = "benchmark"
"""Origin of the files that the benchmark itself processed and published."""


def reader(origin: str) -> str:
    """``benchmark.py`` reads the benchmark's own files, ``data.py`` all others, simulated ones too."""
    return "benchmark" if origin == BENCHMARK else "data"


def raw_owner(task: str, origin: str) -> str:
    """The task whose raw files a task reads: of the benchmark's own each has some of its own, even spherical."""
    return task if origin == BENCHMARK else task_spec(task).raw
