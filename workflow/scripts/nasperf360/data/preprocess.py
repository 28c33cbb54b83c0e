"""The processed data set of a task, made of its raw files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.registry import room
from nasperf360.tasks.shared.readers import reader
from nasperf360.tasks.shared.task_spec import TaskSpec, task_spec


def preprocess(task: str, raw: RawFiles, path: str | Path, options: Mapping[str, Any], whole: bool = False) -> None:
    """Stream the raw files into splits, in bounded memory.

    Args:
        task: whose data set; ``raw`` may be those of another.
        raw: the raw files, by role.
        path: ``data/<task>.h5``; the manifest goes beside it.
        options: the ``preprocess.<task>`` settings.
        whole: whether the splits of the benchmark's own files must have the sizes of the paper, unless options say
            otherwise.

    Raises:
        DataError: a raw file that is truncated or lacks what it should hold; names the file and the fault.
    """
    spec = task_spec(task)
    settings, files = spec.preprocess.model_validate(options), room("tasks", task, reader(raw.origin))
    fixed = getattr(files, "FIXED", ())
    attributes = {
        "task": task,
        "origin": raw.origin,
        "licence": raw.licence,
        "parameters": {name: value for name, value in settings.params().items() if name not in fixed},
        "sources": {file.relative: file.sha256 for file in raw.files},
    }
    whole = whole and settings == spec.preprocess()
    if whole and hasattr(files, "counts"):  # of a reader that knows them before hours of work
        for name, (place, found) in files.counts(raw).items():
            _check_size(place, name, found, files.SAMPLES[name])
    with DatasetWriter(path, **attributes) as writer:
        files.preprocess(raw, writer, settings)
        if whole:
            _check_sizes(spec, raw, writer, files.SAMPLES)


def _check_sizes(spec: TaskSpec, raw: RawFiles, writer: DatasetWriter, published: Mapping[str, int]) -> None:
    """Refuse splits of other sizes than the paper's; of clips, where an epoch visits one sample of each."""
    paths = [str(file.path) for file in raw.files]
    for name in [name for name in writer.splits if name in published]:  # the paper gives no number of noises
        split = writer.splits[name]
        found = split.distinct("group") if spec.one_per_group else split.samples
        _check_size(split.source if split.source in paths else paths[0], name, found, published[name])


def _check_size(source: str | Path, name: str, found: int, published: int) -> None:
    if found != published:
        raise DataError(f"{source}: {found} samples of the split '{name}', but the paper has {published}")
