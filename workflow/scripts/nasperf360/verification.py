"""A results folder against its own provenance: what does not fit, one line per fault."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nasperf360.cells import Cell
from nasperf360.code_digest import code_digest
from nasperf360.errors import UserError
from nasperf360.files import digest_file, digest_json, read_json
from nasperf360.raw import RawFiles
from nasperf360.results import COMPLETE, read_scores
from nasperf360.runs import read_study
from nasperf360.status import missing

NAMES = {"search": "architecture.json", "retrain": "result.json"}


def verify(folder: Path) -> Iterator[str]:
    """Data against their manifests, each architecture and result against what it names, scores against results.

    Args:
        folder: ``results/<run>``.

    Yields:
        a line for each fault, which names the file.

    Raises:
        UserError: the folder holds no study.
    """
    data = folder.parent / read_study(folder).data_run
    manifests: dict[str, Any] = {}
    for path in sorted((data / "data").glob("*.json")):
        try:
            manifests[path.stem] = read_json(path)
            yield from _data_faults(path, manifests[path.stem])
        except (UserError, KeyError) as error:
            yield _unreadable(path, error)
    for path in sorted((data / "raw").glob("*/files.json")):
        try:
            RawFiles.open(path).verify()
        except (UserError, KeyError) as error:
            yield _unreadable(path, error)
    values: dict[tuple[str, str, int], float] = {}
    for stage, name in NAMES.items():
        for path in sorted((folder / stage).glob(f"*/*/*/{name}")):
            try:
                content = read_json(path)
                yield from _cell_faults(folder, stage, path, content, manifests)
                if stage == "retrain":
                    values[content["task"], content["method"], content["seed"]] = content["value"]
            except (UserError, KeyError, TypeError) as error:
                yield _unreadable(path, error)
    yield from _score_faults(folder / "tables" / "scores.csv", values)
    yield from (f"{folder}: no result of {entry}" for entry in missing(folder))


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path}: lacks the key {error}" if isinstance(error, KeyError) else f"{path}: {error}"


def _data_faults(path: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    data = path.with_suffix(".h5")
    if not data.is_file():
        yield f"{data}: missing, but {path} describes it"
    elif digest_file(data) != manifest["sha256"]:
        yield f"{data}: its content is not that which {path} names"


def _cell_faults(
    folder: Path, stage: str, path: Path, content: Mapping[str, Any], manifests: Mapping[str, Any]
) -> Iterator[str]:
    task, method, seed = path.parts[-4:-1]
    cell, origin = Cell(stage, task, method, int(seed)), content["provenance"]
    if {name: content[name] for name in cell.names()} != cell.names():
        yield f"{path}: holds another cell: {content['task']} {content['method']} seed {content['seed']}"
        return
    if task not in manifests:
        yield f"{path}: the data set that it was made from is not there"
    elif origin["data_sha256"] != manifests[task]["sha256"]:
        yield f"{path}: made from other data than data/{task}.h5"
    elif content["simulated"] != (manifests[task]["origin"] == "simulated"):
        yield f"{path}: simulated: {content['simulated']}, which its data set contradicts"
    if origin["seed"] != cell.derived_seed:
        yield f"{path}: seed {origin['seed']} is not that of {cell}"
    for name, digest in content["files"].items():
        file = path.with_name(name)
        if not file.is_file() or digest_file(file) != digest:
            yield f"{file}: missing, or not the file that {path} names"
    found = folder / "search" / task / method / seed / "architecture.json"
    searched = read_json(found)
    definition = searched["provenance"]["settings"]["method"]
    modules = [f"tasks.{task}", f"spaces.{definition['space']}"]
    modules += [f"algorithms.{definition['algorithm']}"] if stage == "search" else []
    try:
        same_code = origin["code_sha256"] == digest_json(code_digest(f"{stage}.py", *modules))
    except FileNotFoundError:
        same_code = False
    if not same_code:
        yield f"{path}: made by other code than that of this checkout"
    if stage == "retrain":
        if origin["settings"]["architecture"] != searched["architecture"]:
            yield f"{path}: trained another architecture than that of {found}"
        if content["value"] != content["scores"]["value"]:
            yield f"{path}: value {content['value']} is not that of its scores, {content['scores']['value']}"
    elif limiting := definition.get("size_limit"):
        other = read_json(folder / "search" / task / limiting["method"] / seed / "architecture.json")
        if origin["settings"]["limit"] != other["parameters"] + int(limiting.get("slack", 0)):
            yield f"{path}: its size limit is not that of {limiting['method']}"


def _score_faults(path: Path, values: Mapping[tuple[str, str, int], float]) -> Iterator[str]:
    if not path.is_file():
        return
    for row in read_scores(path).itertuples(index=False):
        if row.status == COMPLETE and values.get((row.task, row.method, row.seed)) != row.value:
            yield f"{path}: {row.task} {row.method} seed {row.seed} has {row.value}, which is not what its result holds"
