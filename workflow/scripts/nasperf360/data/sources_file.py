"""The sources file: the sources of all tasks, checked when the workflow starts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from nasperf360.data.names import expanded
from nasperf360.data.raw import ORIGINAL
from nasperf360.data.sources import Source
from nasperf360.errors import UserError
from nasperf360.registry import has_room
from nasperf360.settings.checking import check_options
from nasperf360.settings.declaration import NoSettings, Settings
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.tasks.shared.readers import BENCHMARK, reader
from nasperf360.tasks.shared.task_spec import task_spec


class TermsSettings(Settings):
    """What a source says for those who pass its data on; no download rests on it."""

    redistribution: Literal["allowed", "forbidden"] | None = Field(None, description="of what is made from its data")
    citation: str = Field("", description="of the work to cite")


def read_sources(path: str | Path) -> dict[str, Any]:
    """The entries of a sources file by task, checked, as plain values fit for a rule's params, without their terms.

    Raises:
        UserError: the file is missing, is not YAML, gives a key twice, or has a faulty entry; one line.
    """
    return {task: entry for task, entry, _ in _read(path)}


def read_terms(path: str | Path) -> dict[str, dict[str, Any]]:
    """Licence, home page, redistribution and citation by task, as plain values.

    Raises:
        UserError: as :func:`read_sources`.
    """
    return {
        task: {"licence": entry["licence"], "homepage": entry.get("homepage", ""), **terms.params()}
        for task, entry, terms in _read(path)
    }


def check_sources(path: str | Path) -> None:
    """Read the file that the configuration names, whether its entries are needed or not: tables show their terms.

    Raises:
        UserError: as :func:`read_sources`; names the key.
    """
    try:
        read_terms(path)
    except UserError as error:
        raise UserError(f"config: sources: {error}") from error


def _read(path: str | Path) -> Iterator[tuple[str, dict[str, Any], TermsSettings]]:
    """Task, entry and terms of each source."""
    path = expanded(str(path))
    if not Path(path).exists():
        raise UserError(f"{path}: no such file; set 'sources' to a file like config/sources.yaml")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping from task to its source, like config/sources.yaml")
    for task, entry in content.items():
        if not isinstance(task, str):
            raise UserError(f"{path}: {task!r} is no name of a task; put it in quotes, or remove it")
        terms, rest = {}, entry
        if isinstance(entry, dict):
            terms = {key: value for key, value in entry.items() if key in TermsSettings.model_fields}
            rest = {key: value for key, value in entry.items() if key not in terms}
        check_options(TermsSettings, terms, f"{path}: {task}")
        source = Source.parse(task, rest, path)
        if has_room("tasks", task, "spec"):
            for file in source.files:
                declared = task_spec(task).file_options.get(file.role, NoSettings)
                check_options(declared, file.options, f"{path}: {task}: {file.name}")
        yield task, rest, TermsSettings.model_validate(terms)


def select(entries: Mapping[str, Any], tasks: list[str], path: str | Path, origin: str = "") -> dict[str, Any]:
    """The entries of ``tasks``.

    Args:
        entries: of a sources file.
        tasks: whose.
        path: of the file.
        origin: whose files they must be; empty: anybody's.

    Raises:
        UserError: a task has none, one without files, or one with files of another origin.
    """
    for task in tasks:
        if not entries.get(task, {}).get("files"):
            listed = ", ".join(sorted(name for name in entries if entries[name]["files"])) or "none"
            raise UserError(
                f"{path}: no files for task '{task}'; select among those that it lists ({listed}), or add it"
            )
        given = entries[task].get("origin", ORIGINAL)
        if origin and given != origin:
            raise UserError(
                f"{path}: the files of '{task}' are of origin '{given}', not of source '{origin}'; change 'sources' or "
                f"'source'"
            )
        if origin == BENCHMARK and not has_room("tasks", task, reader(origin)):
            raise UserError(
                f"{path}: no tasks/{task}/{reader(origin)}.py reads the benchmark's files of '{task}'; add it"
            )
    return {task: entries[task] for task in tasks}
