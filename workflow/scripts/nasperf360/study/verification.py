"""A results folder against its own provenance: what does not fit, one line per fault."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasperf360.data.raw import RawFiles
from nasperf360.errors import UserError
from nasperf360.files import digest_file, digest_json, read_json
from nasperf360.jobs.cells import Cell, is_sealed
from nasperf360.jobs.code_digest import code_digest
from nasperf360.study.runs import read_study
from nasperf360.study.status import NAMES, again, missing
from nasperf360.tasks import get_task


@dataclass
class _Known:
    """What was read so far, for what comes later to be compared with."""

    manifests: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of data, by task
    settings: dict[tuple[str, str, str], tuple[int, Any]] = field(default_factory=dict)  # with the seed they are of


def verify(folder: Path) -> Iterator[str]:
    """Data against their manifests, each architecture and result against what it names.

    Args:
        folder: ``results/<run>``.

    Yields:
        a line for each fault, which names the file.

    Raises:
        UserError: the folder holds no study.
    """
    data, known = folder.parent / read_study(folder).data_run, _Known()
    for path in sorted((data / "raw").glob("*/files.json")):
        yield from _named(path, _raw_faults(path))
    for path in sorted((data / "data").glob("*.json")):
        yield from _named(path, _data_faults(path, known))
    for stage, name in NAMES.items():
        for path in sorted((folder / stage).glob(f"*/*/*/{name}")):
            yield from _named(path, _cell_faults(folder, stage, path, known))
    yield from (f"{folder}: no result of {entry}" for entry in missing(folder))


def _named(path: Path, faults: Iterator[str]) -> Iterator[str]:
    """The faults of a file; that it is built otherwise than such a file is one more, not the end."""
    try:
        yield from faults
    except UserError as error:
        yield str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
    except KeyError as error:
        yield f"{path}: lacks the key {error}"
    except (TypeError, AttributeError, ValueError, OSError) as error:
        yield f"{path}: cannot be read as the {path.name} that it should be ({error})"


def _raw_faults(path: Path) -> Iterator[str]:
    listed = read_json(path)["files"]
    if any((path.parent / entry["path"]).exists() for entry in listed):  # else processed data came without raw ones
        RawFiles.open(path).verify()
    yield from ()


def _data_faults(path: Path, known: _Known) -> Iterator[str]:
    manifest, data = read_json(path), path.with_suffix(".h5")
    known.manifests[path.stem] = {key: manifest[key] for key in ("sha256", "origin")}
    if not data.is_file():
        yield f"{data}: missing, but {path} describes it"
    elif digest_file(data) != manifest["sha256"]:
        yield f"{data}: its content is not that which {path} names"
    raw = path.parents[1] / "raw" / get_task(path.stem).raw / "files.json"
    if raw.is_file():
        sources = {entry["path"]: entry["sha256"] for entry in read_json(raw)["files"]}
        if other := _differing(sources, manifest["sources"]):
            yield f"{path}: made from other raw files than those of {raw}: {other}"


def _differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """Keys whose values differ, as words."""
    return ", ".join(key for key in sorted({*left, *right}) if left.get(key) != right.get(key))


def _cell_faults(folder: Path, stage: str, path: Path, known: _Known) -> Iterator[str]:
    content, (task, method, seed) = read_json(path), path.parts[-4:-1]
    if not seed.isdecimal():
        yield f"{path}: its folder '{seed}' is no seed; move it out of {folder / stage}"
        return
    cell, origin = Cell(stage, task, method, int(seed)), content["provenance"]
    if {name: content[name] for name in cell.names()} != cell.names():
        yield f"{path}: holds another cell: {content['task']} {content['method']} seed {content['seed']}"
        return
    if not is_sealed(content):
        yield f"{path}: not what its own sha256 says: edited, or made by an earlier version; {again(path)}"
    manifest = known.manifests.get(task)
    if manifest is None:
        yield f"{path}: the data set that it was made from is not there"
    elif origin["data_sha256"] != manifest["sha256"]:
        yield f"{path}: made from other data than data/{task}.h5"
    elif content["simulated"] != (manifest["origin"] == "simulated"):
        yield f"{path}: simulated: {content['simulated']}, which its data set contradicts"
    if origin["seed"] != cell.derived_seed:
        yield f"{path}: seed {origin['seed']} is not that of {cell}"
    for name, digest in content["files"].items():
        file = path.with_name(name)
        if not file.is_file():
            yield f"{file}: missing; {again(path)}"
        elif digest_file(file) != digest:
            yield f"{file}: not the file that {path} names; {again(path)}"
    settings = origin["settings"]
    first, expected = known.settings.setdefault((stage, task, method), (cell.seed, settings))
    own = {*settings.get("architecture", {}), *expected.get("architecture", {})}
    if other := _differing(_of_every_seed(settings, own), _of_every_seed(expected, own)):
        yield f"{path}: settings differ from those of seed {first}: {other}"
    found = folder / "search" / task / method / seed / "architecture.json"
    searched = read_json(found)
    yield from _code_faults(path, cell, origin, searched)
    if stage == "retrain":
        yield from _retraining_faults(path, content, found, searched)
    elif limiting := origin["settings"]["method"].get("size_limit"):
        other_network = read_json(folder / "search" / task / limiting["method"] / seed / "architecture.json")
        if origin["settings"]["limit"] != other_network["parameters"] + int(limiting.get("slack", 0)):
            yield f"{path}: its size limit is not that of {limiting['method']}"


def _of_every_seed(settings: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
    """What is the same for every seed: neither a size limit, nor an architecture and what this fixes of the training.

    Args:
        settings: of a cell's provenance.
        own: keys of architectures.
    """
    common = {key: value for key, value in settings.items() if key not in ("limit", "architecture")}
    if "retrain" in common:
        common["retrain"] = {key: value for key, value in common["retrain"].items() if key not in own}
    return common


def _code_faults(path: Path, cell: Cell, origin: Mapping[str, Any], searched: Mapping[str, Any]) -> Iterator[str]:
    definition = searched["provenance"]["settings"]["method"]
    modules = [f"tasks.{cell.task}", f"spaces.{definition['space']}"]
    modules += [f"algorithms.{definition['algorithm']}"] if cell.stage == "search" else []
    try:
        same_code = origin["code_sha256"] == digest_json(code_digest(f"{cell.stage}.py", *modules))
    except FileNotFoundError:
        same_code = False
    if not same_code:
        yield f"{path}: made by other code than that of this checkout"


def _retraining_faults(
    path: Path, content: Mapping[str, Any], found: Path, searched: Mapping[str, Any]
) -> Iterator[str]:
    settings = content["provenance"]["settings"]
    if settings["architecture"] != searched["architecture"]:
        yield f"{path}: trained another architecture than that of {found}"
    if other := _differing(settings["space"], searched["provenance"]["settings"]["space"]):
        yield f"{path}: settings of the space differ from those of {found}: {other}"
    if content["value"] != content["scores"]["value"]:
        yield f"{path}: value {content['value']} is not that of its scores, {content['scores']['value']}"
