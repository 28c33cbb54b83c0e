"""Data sets that somebody published: ``<index>/<task>.json`` and ``.h5``, from a folder, a URL or an S3 bucket."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.dataset_content import check_content
from nasperf360.data.dataset_manifest import read_manifest
from nasperf360.data.fetched import is_url
from nasperf360.data.names import expanded
from nasperf360.data.s3 import LIST, PAGE, Bucket
from nasperf360.data.sources import SourceFile
from nasperf360.data.transfer import copy, verify
from nasperf360.data.web import download
from nasperf360.errors import DataError, UserError
from nasperf360.files import write_json
from nasperf360.tasks.shared.task_spec import label_classes

_MEND = "have it published again"


def fetch_published(
    task: str, data: str | Path, mirror: str, settings: Mapping[str, str], progress: bool = True
) -> None:
    """Fetch a published data set and its manifest; both are complete and agree, or absent.

    Args:
        task: which one.
        data: ``data/<task>.h5``; the manifest goes beside it.
        mirror: folder or URL of the published data sets, or of the page that lists them; empty: the bucket of
            ``settings``.
        settings: the ``publish`` setting.
        progress: whether to show a progress bar on standard error.

    Raises:
        UserError: it is not there, or the place cannot be reached.
        DataError: the data differ from their manifest.
    """
    path = Path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f".{task}.incoming.json")
    mirror, listed = _place(task, expanded(mirror), incoming)
    if mirror and not is_url(mirror):
        index = Path(mirror) / f"{task}.json"
        if index.is_file():
            verify(index, listed, _MEND)
        manifest = _checked(task, _parse(index, str(index)), str(index))
        source = index.with_suffix(".h5")
        if not source.is_file():
            raise UserError(f"{source}: no such file, though {index} describes it; {_MEND}")
        verify(source, _expected(task, manifest), _MEND)
        copy(source, path, progress)
        where = str(source)
    else:
        bucket = None if mirror else Bucket.open(settings, anonymous=True)
        setting = "'mirror'" if mirror else "'publish'"
        for name in (f"{task}.json", f"{task}.h5"):
            url, label = _object(bucket, name) if bucket else (f"{mirror.rstrip('/')}/{name}", "")
            if name.endswith(".json"):
                download(url, incoming, listed, False, label, setting)
                manifest = _checked(task, _parse(incoming, label or url), label or url)
                incoming.unlink()
            else:
                download(url, path, _expected(task, manifest), progress, label, setting)
                where = label or url
    try:
        check_content(path, manifest, label_classes(task), _MEND)
    except DataError as error:
        path.unlink()
        raise DataError(f"{where}: {error}") from error
    write_json(path.with_suffix(".json"), manifest)


def _place(task: str, mirror: str, incoming: Path) -> tuple[str, SourceFile]:
    """The folder or URL of the data sets, and the manifest to expect there: from the page that lists them, if given.

    Raises:
        UserError: the page does not list the task, or cannot be had.
        DataError: beside it lies no list of data sets.
    """
    name = f"{task}.json"
    folder, _, last = mirror.rpartition("/")
    if last not in (PAGE, LIST):
        return mirror, SourceFile(name, "manifest")
    folder = folder or "."
    address = f"{folder}/{LIST}"
    if is_url(mirror):
        download(address, incoming, SourceFile(LIST, "list"), False, "", "'mirror'")
        content = _parse(incoming, address)
        incoming.unlink()
    else:
        content = _parse(Path(address), address)
    try:
        entries = content["datasets"]
        if task not in entries:
            there = ", ".join(sorted(entries)) or "none"
            raise UserError(f"{address}: lists no data set of task '{task}', but {there}; check 'mirror' and 'tasks'")
        entry = entries[task]["manifest"]
        return folder, SourceFile(name, "manifest", bytes=int(entry["bytes"]), sha256=str(entry["sha256"]))
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{address}: not a list of published data sets; check 'mirror'") from error


def _object(bucket: Bucket, name: str) -> tuple[str, str]:
    """A signed URL of an object, and its name without the signature."""
    if bucket.head(name) is None:
        raise UserError(f"{bucket.address(name)}: not published; check 'publish' and 'tasks', or publish it first")
    place = {"Bucket": bucket.name, "Key": bucket.key(name)}
    return bucket.client.generate_presigned_url("get_object", Params=place, ExpiresIn=7 * 24 * 3600), bucket.address(
        name
    )


def _parse(path: Path, where: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError as error:
        raise UserError(f"{where}: no such file; check 'mirror' and 'tasks'") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not a manifest of a data set (not JSON: {error}); {_MEND}") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _checked(task: str, manifest: Any, where: str) -> dict[str, Any]:
    manifest = dict(read_manifest(manifest, where, _MEND))
    if manifest["task"] != task:
        raise DataError(f"{where}: describes task '{manifest['task']}', not '{task}'; {_MEND}")
    return manifest


def _expected(task: str, manifest: Mapping[str, Any]) -> SourceFile:
    return SourceFile(f"{task}.h5", "data", bytes=manifest["bytes"], sha256=manifest["sha256"])
