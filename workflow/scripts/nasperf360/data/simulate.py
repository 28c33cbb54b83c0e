"""Simulated raw files of a task, in exactly the layout of the original."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.names import RECORDS
from nasperf360.data.raw import SIMULATED, write_manifest
from nasperf360.errors import UserError
from nasperf360.files import disk_full_named
from nasperf360.registry import room
from nasperf360.seeds import generator
from nasperf360.tasks.shared.task_spec import task_spec

LICENCE = "simulated data, no licence needed"


def simulate(task: str, folder: str | Path, options: Mapping[str, Any]) -> Path:
    """Write simulated raw files below ``folder`` and list them; the manifest is written last.

    Args:
        task: whose raw files.
        folder: ``raw/<task>/``; leftovers of a killed simulation there are removed first.
        options: the ``simulate.<task>`` settings.

    Returns:
        The manifest, ``<folder>/files.json``.

    Raises:
        UserError: the task has no simulator, or the folder holds downloaded files, which are not for it to remove.
    """
    folder, declared = Path(folder), task_spec(task).simulate
    if declared is None:
        raise UserError(f"{task}: it has no simulator; choose another source")
    # A hidden .part is what a kill left of a simulator's own file; a download's is named like the file.
    downloads = [part for part in folder.glob("*.part") if not part.name.startswith(".")]
    if (folder / RECORDS).exists() or downloads:
        raise UserError(f"{folder}: holds downloaded raw files; choose another 'data_run' for simulated ones")
    shutil.rmtree(folder, ignore_errors=True)
    with disk_full_named(folder):
        folder.mkdir(parents=True)
        simulator = room("tasks", task, "simulator")
        files = simulator.simulate(folder, declared.model_validate(options), generator("simulate", task))
    manifest = folder / "files.json"
    write_manifest(manifest, task, SIMULATED, LICENCE, files)
    return manifest
