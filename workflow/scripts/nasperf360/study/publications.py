"""The list of what a bucket holds below its prefix, for people (``index.html``) and for programs (``index.json``).

Made of what lies there, whoever published it, so that the same objects always have the same list.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nasperf360.data.dataset_manifest import read_manifest
from nasperf360.data.s3 import LIST, PAGE, Bucket
from nasperf360.data.upload import Upload, upload
from nasperf360.errors import DataError, UserError
from nasperf360.files import write_json, write_text
from nasperf360.job import log
from nasperf360.registry import has_room
from nasperf360.study.bundles import FOLDER, KINDS, MANIFEST
from nasperf360.tasks.shared.readers import raw_owner

SIGNS = {LIST: b'"datasets"', PAGE: b"Published by NAS-Perf-360"}  # by which ours are known
LARGEST = 64 << 20  # bytes of a manifest; who knows what else lies there
NOT_LISTED = {"licence": "", "homepage": "", "redistribution": None, "citation": ""}

Listing = dict[str, Any]
"""``datasets`` by task, and ``results``: where each lies, its size, its digest, and what it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _File(_Strict):
    bytes: int
    sha256: str


class _Metric(_Strict):
    name: str


class _Bundle(_Strict):
    """What the ``bundle.json`` of an experiment must say; more is allowed."""

    run: str
    task: str
    method: str
    space: str
    algorithm: str
    seed: int
    metric: _Metric
    value: float
    simulated: bool
    data_sha256: str
    files: dict[str, _File]


def write_index(
    settings: Mapping[str, Any],
    terms: Mapping[str, Mapping[str, Any]],
    page: Callable[[Listing], str],
    outputs: Mapping[str, str],
) -> list[str]:
    """Write list and page into the bucket, and again while others publish meanwhile.

    Args:
        settings: bucket, prefix and endpoint of the ``publish`` setting.
        terms: of the raw data by the task that owns them: ``homepage``, ``citation``.
        page: makes the page of the list.
        outputs: paths ``list``, ``page`` and ``receipt``; the first two are what is sent.

    Returns:
        Names of the objects that had to be sent.

    Raises:
        UserError: the server cannot be reached, or refuses; a page or a list of somebody else lies there.
    """
    bucket, sent = Bucket.open(settings), list[str]()
    _check_ours(bucket)
    files = [Upload(Path(outputs["list"]), LIST, "application/json"), Upload(Path(outputs["page"]), PAGE, "text/html")]
    while True:
        there = _without_list(bucket)
        found = listing(bucket, there, terms)
        write_json(outputs["list"], found)
        write_text(outputs["page"], page(found))
        objects, now = upload(bucket, files, progress=False, replace=True)
        sent += now
        if _without_list(bucket) == there:
            break
    write_json(outputs["receipt"], {"bucket": bucket.name, "endpoint": bucket.endpoint, "objects": objects})
    return sent


def _check_ours(bucket: Bucket) -> None:
    """Refuse to replace a page or a list of somebody else, as in a bucket that holds a site."""
    for name, sign in SIGNS.items():
        there = bucket.head(name)
        if there and (there["ContentLength"] > LARGEST or sign not in b"".join(bucket.blocks(name))):
            raise UserError(
                f"{bucket.address(name)}: a file of somebody else lies under this key; choose another publish.prefix"
            )


def _without_list(bucket: Bucket) -> dict[str, int]:
    return {name: size for name, size in bucket.listed().items() if name not in (LIST, PAGE)}


def listing(bucket: Bucket, there: Mapping[str, int], terms: Mapping[str, Mapping[str, Any]]) -> Listing:
    """What the objects of these names and sizes are; those that are nothing of ours are left out, and said so."""
    found: Listing = {"datasets": {}, "results": []}
    for name in sorted(there):
        path = Path(name)
        if path.suffix != ".json" or there[name] > LARGEST:
            continue
        try:
            if path.name == MANIFEST and path.parts[0] == FOLDER:
                found["results"].append(_bundle(bucket, name, there))
            elif len(path.parts) == 1 and f"{path.stem}.h5" in there:
                found["datasets"][path.stem] = _dataset(bucket, path.stem, there, terms)
        except DataError as error:
            log(f"{error}: left out of {PAGE}")
    return found


def _dataset(
    bucket: Bucket, task: str, there: Mapping[str, int], terms: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    name, data = f"{task}.json", f"{task}.h5"
    content = b"".join(bucket.blocks(name))
    manifest = read_manifest(_parsed(content, bucket.address(name)), bucket.address(name), "publish it again")
    if (manifest["task"], manifest["bytes"]) != (task, there[data]):
        raise DataError(f"{bucket.address(name)}: not the manifest of {data}")
    owner = raw_owner(task, manifest["origin"]) if has_room("tasks", task, "spec") else task
    source = terms.get(owner, NOT_LISTED)
    simulated = manifest["origin"] == "simulated"
    return {
        "data": {"path": data, "bytes": manifest["bytes"], "sha256": manifest["sha256"]},
        "manifest": {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "origin": manifest["origin"],
        "licence": manifest["licence"],
        "homepage": "" if simulated else source["homepage"],
        "citation": "" if simulated else source["citation"],
        "samples": {split: entry["samples"] for split, entry in manifest["splits"].items()},
    }


def _bundle(bucket: Bucket, name: str, there: Mapping[str, int]) -> dict[str, Any]:
    address, folder = bucket.address(name), Path(name).parent
    try:
        bundle = _Bundle.model_validate(_parsed(b"".join(bucket.blocks(name)), address))
    except ValidationError as error:
        raise DataError(f"{address}: not the list of the files of an experiment") from error
    said = bundle.model_dump()
    files = {key: {"path": f"{folder}/{key}", **file} for key, file in said["files"].items() if key in KINDS}
    if folder != Path(FOLDER, said["run"], said["task"], said["method"], str(said["seed"])):
        raise DataError(f"{address}: lists the files of another experiment")
    if any(there.get(file["path"]) != file["bytes"] for file in files.values()):
        raise DataError(f"{address}: not all files that it lists are there")
    return {**said, "files": files}


def _parsed(content: bytes, address: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{address}: not JSON") from error
