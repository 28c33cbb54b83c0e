"""What the results of a study should have been made with: settings as configured, code as in this checkout."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import digest_json, remembered
from nasperf360.stages.code_digest import code_digest
from nasperf360.stages.modules import Stage, stage_modules
from nasperf360.study import configuration
from nasperf360.study.paths import Key, made_path, searched
from nasperf360.study.records import recorded

COMPUTED: tuple[Stage, ...] = ("search", "retrain")
"""The stages whose results rest on settings."""


def expected_settings(config: Mapping[str, Any], stage: str, task: str, method: str) -> dict[str, Any]:
    """What the provenance of each seed should hold as ``settings``, without what a search found or was limited by."""
    given = dict(config)
    common = {
        "space": configuration.space_settings(given, task, method),
        "compute_threads": given["compute_threads"],
    }
    if stage == "retrain":
        settings = {**common, "retrain": configuration.retrain_settings(given, task, method)}
    else:
        search = configuration.search_settings(given, task, method)
        settings = {**common, **search, "method": configuration.search_definition(given, method)}
    as_read: dict[str, Any] = json.loads(json.dumps(settings))
    return as_read


def expected_study(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of all experiments, by stage, and by task and method in one word: what ``study.json`` records."""
    pairs = configuration.experiments(dict(config))
    return {
        stage: {f"{task} {method}": expected_settings(config, stage, task, method) for task, method in pairs}
        for stage in COMPUTED
    }


def differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """Keys whose values differ, as words."""
    return ", ".join(key for key in sorted({*left, *right}) if left.get(key) != right.get(key))


def differing_settings(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The same of the settings of two provenances, but for what each seed has of its own.

    That is a size limit, and an architecture with what it fixes of the training.
    """
    own = {*found.get("architecture", {}), *expected.get("architecture", {})}
    return differing(_of_every_seed(found, own), _of_every_seed(expected, own))


def _of_every_seed(settings: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
    common = {key: value for key, value in settings.items() if key not in ("limit", "architecture")}
    if "retrain" in common:
        common["retrain"] = {key: value for key, value in common["retrain"].items() if key not in own}
    return common


def code_sha256(config: Mapping[str, Any], stage: Stage, task: str, method: str) -> str:
    """What the provenance should hold as ``code_sha256``."""
    given = dict(config)
    settings = configuration.search_settings(given, task, method)["search"] if stage == "search" else {}
    modules = stage_modules(stage, task, configuration.method(given, method), settings)
    return digest_json(code_digest(f"{stage}.py", *modules))


def check_unrecorded(config: Mapping[str, Any], arguments: Iterable[str]) -> None:
    """Refuse results that Snakemake would take for up to date, having lost its record, though they are of other
    settings or code. Only those without a record are read.

    Args:
        config: the configuration.
        arguments: of Snakemake's command line, which may ask for some to be made anew, or to be accepted.

    Raises:
        UserError: names one, and the option that makes all anew.
    """
    given, folder = set(arguments), Path("results") / config["run"]
    if given & {"--touch", "-t", "--forceall", "-F"}:
        return
    forced = given if given & {"--forcerun", "-R", "--force", "-f"} else set()
    others = {
        str(path): reason
        for stage in COMPUTED
        for key in _keys(config, stage)
        if (path := made_path(folder, stage, key)).is_file() and not recorded(path)
        if str(path) not in forced
        if (reason := _other(config, stage, key, path))
    }
    if others:
        first, reason = next(iter(others.items()))
        raise UserError(
            f"{first}: made with other {reason} than configured, and Snakemake has lost its record of it"
            f"{f', as of {len(others) - 1} more files' if len(others) > 1 else ''}; "
            f"accept what is there by --touch --forceall, or make anew what differs by giving the same command with: "
            f"--forcerun {' '.join(others)}"
        )


def _keys(config: Mapping[str, Any], stage: str) -> Iterator[Key]:
    """The experiments whose stage makes a file, each once."""
    found: dict[Key, None] = {}
    for task, method in configuration.experiments(dict(config)):
        for seed in config["seeds"]:
            key = (task, method, seed)
            found[searched(key, config["searches"]) if stage == "search" else key] = None
    yield from found


def _other(config: Mapping[str, Any], stage: Stage, key: Key, path: Path) -> str:
    """In what a result differs from what is configured, as words."""
    task, method, _ = key
    origin = remembered(path).get("provenance")
    if not isinstance(origin, dict) or not isinstance(origin.get("settings"), dict):
        return "settings, or by an earlier version,"
    if other := differing_settings(origin["settings"], expected_settings(config, stage, task, method)):
        return f"settings ({other})"
    return "" if origin.get("code_sha256") == code_sha256(config, stage, task, method) else "code"
