"""A results folder against its own provenance: what does not fit, one line per fault."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasperf360.data.datasets import Dataset
from nasperf360.data.raw import RawFiles
from nasperf360.errors import UserError, again
from nasperf360.files import digest_file, digest_json, read_json
from nasperf360.stages.code_digest import code_digest
from nasperf360.stages.experiment import Experiment, is_checksummed
from nasperf360.stages.modules import Stage, stage_modules
from nasperf360.stages.scoring import final_test, read_predictions, score
from nasperf360.study.expected import differing, differing_settings
from nasperf360.study.paths import (
    MADE,
    PREDICTIONS,
    Key,
    architecture_path,
    data_folder,
    made_path,
    predictions_path,
    result_path,
)
from nasperf360.study.runs import read_study
from nasperf360.study.status import missing
from nasperf360.tasks.shared.readers import raw_owner

CHECKSUMMED: Mapping[Stage, Stage] = {"search": "search", "evaluate": "retrain"}
"""The stages whose files name what they rest on, and the stage that computed it."""


@dataclass
class _Known:
    """What was read so far, for what comes later to be compared with."""

    expected: Mapping[str, Mapping[str, Any]]  # settings of the study, by stage, and by task and method
    manifests: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of data, by task
    settings: dict[tuple[str, str, str], tuple[int, Any]] = field(default_factory=dict)  # with the seed they are of


def verify(folder: Path) -> Iterator[str]:
    """Data against manifests, architectures and results against what they name, numbers against predictions.

    Args:
        folder: ``results/<run>``.

    Yields:
        a line for each fault, which names the file.

    Raises:
        UserError: the folder holds no study.
    """
    study = read_study(folder)
    data, known = folder.parent / study.data_run, _Known(study.expected)
    for path in sorted((data / "raw").glob("*/files.json")):
        yield from _named(path, _raw_faults(path))
    for path in sorted((data / "data").glob("*.json")):
        yield from _named(path, _data_faults(path, known))
    for stage in CHECKSUMMED:
        for path in sorted((folder / stage).glob(f"*/*/*/{MADE[stage]}")):
            yield from _named(path, _experiment_faults(folder, stage, path, known))
    for path in sorted((folder / "retrain").glob(f"*/*/*/{MADE['retrain']}")):
        yield from _named(path, _training_file_faults(folder, path))
    yield from (f"{folder}: no result of {entry}" for entry in missing(folder))


def not_recomputed(folder: Path) -> list[Key]:
    """The experiments of the study with a result whose predictions were not kept.

    Raises:
        UserError: the folder holds no study.
    """
    return [
        key
        for key in read_study(folder).experiments
        if result_path(folder, key).is_file() and not predictions_path(folder, key).is_file()
    ]


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
    raw = path.parents[1] / "raw" / raw_owner(path.stem, manifest["origin"]) / "files.json"
    if raw.is_file():
        sources = {entry["path"]: entry["sha256"] for entry in read_json(raw)["files"]}
        if other := differing(sources, manifest["sources"]):
            yield f"{path}: made from other raw files than those of {raw}: {other}"


def _experiment_faults(folder: Path, stage: Stage, path: Path, known: _Known) -> Iterator[str]:
    content, (task, method, seed) = read_json(path), path.parts[-4:-1]
    if not seed.isdecimal():
        yield f"{path}: its folder '{seed}' is no seed; move it out of {folder / stage}"
        return
    experiment, origin = Experiment(CHECKSUMMED[stage], task, method, int(seed)), content["provenance"]
    key = (task, method, int(seed))
    if {name: content[name] for name in experiment.names()} != experiment.names():
        yield f"{path}: holds another experiment: {content['task']} {content['method']} seed {content['seed']}"
        return
    if not is_checksummed(content):
        yield f"{path}: not what its own sha256 says: edited, or made by an earlier version; {again(path)}"
    manifest = known.manifests.get(task)
    if manifest is None:
        yield f"{path}: the data set that it was made from is not there"
    elif origin["data_sha256"] != manifest["sha256"]:
        yield f"{path}: made from other data than data/{task}.h5"
    elif content["simulated"] != (manifest["origin"] == "simulated"):
        yield f"{path}: simulated: {content['simulated']}, which its data set contradicts"
    if origin["seed"] != experiment.derived_seed:
        yield f"{path}: seed {origin['seed']} is not that of {experiment}"
    computed = made_path(folder, experiment.stage, key).parent
    changed = _changed(computed, content["files"])
    yield from _file_faults(path, computed, changed)
    settings = origin["settings"]
    first, expected = known.settings.setdefault((stage, task, method), (experiment.seed, settings))
    if other := differing_settings(settings, expected):
        yield f"{path}: settings differ from those of seed {first}: {other}"
    configured = known.expected.get(experiment.stage, {}).get(f"{task} {method}")
    if configured and (other := differing_settings(settings, configured)):
        yield f"{path}: settings differ from those that the run was last started with: {other}; {again(path)}"
    found = path if stage == "search" else architecture_path(folder, key)
    searched = read_json(found)
    yield from _code_faults(path, experiment, origin, searched)
    if stage == "evaluate":
        yield from _training_faults(path, content, found, searched)
        if PREDICTIONS not in changed:
            data = data_folder(folder) / "data" / f"{task}.h5"
            yield from _prediction_faults(path, content, experiment, predictions_path(folder, key), data)
    elif limiting := settings["method"].get("size_limit"):
        other_network = read_json(made_path(folder, "search", (task, limiting["method"], int(seed))))
        if settings["limit"] != other_network["parameters"] + int(limiting.get("slack", 0)):
            yield f"{path}: its size limit is not that of {limiting['method']}"


def _changed(folder: Path, files: Mapping[str, str]) -> set[str]:
    """The files that are not those of their digests, or are missing."""
    there = {name for name in files if (folder / name).is_file()}
    return {name for name, digest in files.items() if name not in there or digest_file(folder / name) != digest}


def _file_faults(path: Path, folder: Path, changed: set[str]) -> Iterator[str]:
    """What ``path`` names and is not there as it names it; predictions may have been left out."""
    for name in sorted(changed):
        if (folder / name).is_file():
            yield f"{folder / name}: not the file that {path} names; {again(folder / name)}"
        elif name != PREDICTIONS:
            yield f"{folder / name}: missing; {again(folder / name)}"


def _training_file_faults(folder: Path, path: Path) -> Iterator[str]:
    """Of a training that has no result yet; else the result names them."""
    if not (folder / "evaluate" / path.parent.relative_to(folder / "retrain") / MADE["evaluate"]).is_file():
        yield from _file_faults(path, path.parent, _changed(path.parent, read_json(path)["files"]))


def _code_faults(
    path: Path, experiment: Experiment, origin: Mapping[str, Any], searched: Mapping[str, Any]
) -> Iterator[str]:
    settings = searched["provenance"]["settings"]
    try:
        modules = stage_modules(experiment.stage, experiment.task, settings["method"], settings["search"])
        same_code = origin["code_sha256"] == digest_json(code_digest(f"{experiment.stage}.py", *modules))
    except UserError:  # there is no such task, space or algorithm any more
        same_code = False
    if not same_code:
        yield f"{path}: made by other code than that of this checkout"


def _training_faults(path: Path, content: Mapping[str, Any], found: Path, searched: Mapping[str, Any]) -> Iterator[str]:
    settings = content["provenance"]["settings"]
    if settings["architecture"] != searched["architecture"]:
        yield f"{path}: trained another architecture than that of {found}"
    if content["search_seed"] != searched["seed"]:
        yield f"{path}: names search seed {content['search_seed']}, but {found} is of seed {searched['seed']}"
    if other := differing(settings["space"], searched["provenance"]["settings"]["space"]):
        yield f"{path}: settings of the space differ from those of {found}: {other}"
    if content["value"] != content["scores"]["value"]:
        yield f"{path}: value {content['value']} is not that of its scores, {content['scores']['value']}"


def _prediction_faults(
    path: Path, content: Mapping[str, Any], experiment: Experiment, predictions: Path, data: Path
) -> Iterator[str]:
    """A result against what its predictions record of the training, and its scores against theirs, computed anew."""
    with Dataset(data) as dataset:
        read = read_predictions(predictions, experiment, dataset)
        scores = score(experiment.task, read.outputs, final_test(experiment.task, dataset).targets())
    if other := differing({name: content.get(name) for name in read.record}, read.record):
        yield f"{path}: not what {predictions} records of the training: {other}"
    for name in sorted({*content["scores"], *scores}):
        if content["scores"].get(name) != scores.get(name):
            yield f"{path}: {name} is {content['scores'].get(name)}, but its predictions give {scores.get(name)}"
