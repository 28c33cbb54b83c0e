"""What two runs did differently to reach a result: settings, data and code, by the provenance of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasperf360.files import remembered
from nasperf360.study.paths import Key, architecture_path, result_path

OWN = ("architecture",)
"""What a search finds, and no setting."""


@dataclass(frozen=True)
class Changes:
    """What differs between two results.

    Args:
        settings: names of settings with the values here and there; None stands for a setting that one lacks.
        data: whether the data differ.
        code: whether the code that trained or searched does.
    """

    settings: Mapping[str, tuple[Any, Any]]
    data: bool
    code: bool

    def __str__(self) -> str:
        parts = [f"{name}: {here} / {there}" for name, (here, there) in self.settings.items()]
        return "; ".join([*(["other data"] if self.data else []), *(["other code"] if self.code else []), *parts])


def changes(here: Path, there: Path, key: Key) -> Changes | None:
    """Between the results of an experiment in two runs; None where one of them has none.

    Args:
        here: ``results/<run>``.
        there: of the other run.
        key: task, method and seed.
    """
    results = [_provenance(result_path(folder, key)) for folder in (here, there)]
    searches = [_provenance(architecture_path(folder, key)) for folder in (here, there)]
    if not all([*results, *searches]):
        return None
    given = [
        {"search": flat(search["settings"]), "training": flat(result["settings"])}
        for search, result in zip(searches, results, strict=True)
    ]
    settings = {
        f"{stage}: {name}": (first.get(name), second.get(name))
        for stage in ("search", "training")
        for first, second in [(given[0][stage], given[1][stage])]
        for name in {**first, **second}
        if first.get(name) != second.get(name)
    }
    differs = {
        name: any(pair[0].get(name) != pair[1].get(name) for pair in (results, searches))
        for name in ("data_sha256", "code_sha256")
    }
    return Changes(settings, differs["data_sha256"], differs["code_sha256"])


def _provenance(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = remembered(path).get("provenance", {})
    return found


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by names such as ``retrain.schedule.name``, without what a search found."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if not above and name in OWN:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found
