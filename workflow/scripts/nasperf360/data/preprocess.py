"""The processed data set of a task, made of its raw files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.registry import room
from nasperf360.tasks.shared.task_spec import task_spec


def preprocess(task: str, raw: RawFiles, path: str | Path, options: Mapping[str, Any]) -> None:
    """Stream the raw files into splits, in bounded memory.

    Args:
        task: whose data set; ``raw`` may be those of another.
        raw: the raw files, by role.
        path: ``data/<task>.h5``; the manifest goes beside it.
        options: the ``preprocess.<task>`` settings.

    Raises:
        DataError: a raw file that is truncated or lacks what it should hold; names the file and the fault.
    """
    settings = task_spec(task).preprocess.model_validate(options)
    attributes = {
        "task": task,
        "origin": raw.origin,
        "licence": raw.licence,
        "parameters": settings.params(),
        "sources": {file.relative: file.sha256 for file in raw.files},
    }
    with DatasetWriter(path, **attributes) as writer:
        room("tasks", task, "data").preprocess(raw, writer, settings)
