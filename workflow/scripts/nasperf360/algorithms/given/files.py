"""The ``architecture.json`` that the settings of ``given`` name, read when the workflow starts.

What it says goes into the settings, and so into provenance: the file may move, a file of another content retrains.
"""

import json
from pathlib import Path

from pydantic import ValidationError

from nasperf360.algorithms.given.spec import GivenSettings, ReadSettings
from nasperf360.data.names import expanded
from nasperf360.errors import UserError
from nasperf360.registry import has_room
from nasperf360.stages.experiment import is_checksummed
from nasperf360.tasks.shared.task_spec import Signature, task_spec


def read(settings: GivenSettings, space: str, task: str) -> GivenSettings:
    """The settings with what the file says in place of its path.

    Args:
        settings: as the configuration gives them.
        space: that is to build the network.
        task: that it is to be trained on.

    Raises:
        UserError: there is no such file, it is damaged, or it is of another space or of a task of another shape.
    """
    if isinstance(settings.architecture, ReadSettings):
        return settings
    path = expanded(settings.architecture)
    found = _read(path)
    if (theirs := found.architecture.get("space")) != space:
        raise UserError(
            f"{path}: an architecture of space '{theirs}', which space '{space}' cannot build; train it by the method "
            f"{theirs}-given"
        )
    if found.task != task and has_room("tasks", found.task, "spec"):
        there, here = task_spec(found.task).signature(), task_spec(task).signature()
        if there != here:
            raise UserError(
                f"{path}: drawn for task '{found.task}' ({_words(there)}), and '{task}' has another shape "
                f"({_words(here)}); give one that was drawn for '{task}'"
            )
    return GivenSettings(architecture=found)


def _read(path: str) -> ReadSettings:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give the path of an architecture.json") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged, it is not JSON ({error}); get it again") from error
    if not isinstance(content, dict) or not {"architecture", "sha256"} <= content.keys():
        raise UserError(f"{path}: no architecture.json as a search writes it; give the path of one")
    if not is_checksummed(content):
        raise UserError(f"{path}: damaged or edited, its content has not its checksum; get it again")
    try:
        return ReadSettings.model_validate({name: content.get(name) for name in ReadSettings.model_fields})
    except ValidationError as error:
        key = error.errors()[0]["loc"][0]
        raise UserError(f"{path}: its '{key}' is not what a search writes; get it again") from error


def _words(signature: Signature) -> str:
    kind = "dense" if signature.dense else "point"
    return f"{signature.dimensions}-D, {kind}, {signature.outputs} outputs"
