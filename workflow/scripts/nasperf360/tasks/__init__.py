"""The ten tasks, one file each, found by name."""

from importlib import import_module

from nasperf360.tasks.base import Task as Task


def get_task(name: str) -> Task:
    """The task of that name; only its own module is imported."""
    module = import_module(f"nasperf360.tasks.{name}")
    task: Task = module.TASK()
    return task
