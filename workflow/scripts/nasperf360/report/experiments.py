"""What the page shows of an experiment's seeds: value, architecture, cost, provenance and logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nasperf360.files import remembered
from nasperf360.study.paths import COSTS, Key, architecture_path, cost_path, result_path, searched
from nasperf360.tables.costs import hours

LOG_LETTERS = 1500
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's, where it is built in, takes a tenth
DIGITS = 12  # of a digest, enough to compare by eye


@dataclass(frozen=True)
class Seed:
    """One seed of a task and a method.

    Args:
        number: the seed.
        value: the metric as printed; None where there is none.
        architecture: as YAML; empty where there is none.
        size: parameters and multiply-adds of the network, as text.
        costs: by stage, as text.
        origin: what the result rests on, by name.
        settings: of the search and the training, as YAML, by stage.
        logs: the end of each stage's log, by stage.
    """

    number: int
    value: float | None
    architecture: str
    size: str
    costs: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)


def read_seed(folder: Path, key: Key, searches: int | None) -> Seed:
    """What there is of one seed; whatever is missing or damaged is left out, since tables name it."""
    result, found = remembered(result_path(folder, key)), remembered(architecture_path(folder, key))
    stages = {stage: searched(key, searches) if stage == "search" else key for stage in COSTS}
    costs = {stage: remembered(cost_path(folder, stage, of)) for stage, of in stages.items()}
    value = result.get("value")
    return Seed(
        number=key[2],
        value=value if isinstance(value, (int, float)) else None,
        architecture=_yaml(found.get("architecture")),
        size=_size(result or found),
        costs={stage: _cost(cost) for stage, cost in costs.items() if "wall_seconds" in cost},
        origin=_origin(result, costs["retrain"]),
        settings={stage: _yaml(given) for stage, given in _settings(result, found).items() if given},
        logs={
            stage: text
            for stage, (task, method, seed) in {**stages, "evaluate": key}.items()
            if (text := end_of_log(folder / "logs" / stage / task / method / f"{seed}.log"))
        },
    )


def end_of_log(path: Path) -> str:
    """The last letters of a log, of a progress bar its last state alone; empty where there is no log."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text[-4 * LOG_LETTERS :].splitlines())[-LOG_LETTERS:].strip()


def versions(folder: Path, keys: Sequence[Key], searches: int | None) -> dict[str, list[str]]:
    """Versions, commits and devices that trained something, each with all its values."""
    found: dict[str, set[str]] = {}
    for key in keys:
        for stage in COSTS:
            cost = remembered(cost_path(folder, stage, searched(key, searches) if stage == "search" else key))
            about = {"commit": cost.get("commit"), "device": cost.get("device_name"), **cost.get("versions", {})}
            for name, value in about.items():
                if value:
                    found.setdefault(name, set()).add(str(value))
    return {name: sorted(values) for name, values in found.items()}


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=DUMPER, default_flow_style=None, width=80, sort_keys=True).strip() if value else ""


def _size(content: Mapping[str, Any]) -> str:
    counts = (("parameters", "parameters"), ("multiply_adds", "multiply-adds"))
    return ", ".join(f"{content[key]:,} {words}" for key, words in counts if isinstance(content.get(key), int))


def _cost(cost: Mapping[str, Any]) -> str:
    memory = cost.get("peak_gpu_memory_mb", cost.get("peak_memory_mb"))
    spent = hours(cost["wall_seconds"] / 3600)
    parts = [spent if spent.endswith("s") else f"{spent} h", str(cost.get("device_name", ""))]
    shared = f"shared by {len(cost['workers'])} workers, whose order was not fixed" if cost.get("workers") else ""
    return ", ".join(filter(None, [*parts, f"{memory:,} MB" if memory else "", shared]))


def _origin(result: Mapping[str, Any], cost: Mapping[str, Any]) -> dict[str, str]:
    origin = result.get("provenance", {})
    named = {
        "data": origin.get("data_sha256"),
        "code": origin.get("code_sha256"),
        **result.get("files", {}),
        "result": result.get("sha256"),
    }
    shown = {f"{name}, sha256": f"{digest[:DIGITS]}…" for name, digest in named.items() if digest}
    return shown | ({"commit": cost["commit"][:DIGITS]} if cost.get("commit") else {})


def _settings(result: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    trained = result.get("provenance", {}).get("settings", {})
    search = found.get("provenance", {}).get("settings", {})
    return {"search": search.get("search"), "space": trained.get("space"), "retraining": trained.get("retrain")}
