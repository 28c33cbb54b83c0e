"""Files brought here whole: downloads that resume, copies, and the comparison with a known size and checksum."""

import os
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

import requests
import urllib3
from tqdm import tqdm

from nasperf360.data.sources import SourceFile
from nasperf360.errors import DataError, UserError
from nasperf360.files import BLOCK, atomic_path, digest_file, disk_full_named, read_json, write_json

CONNECT_SECONDS, SILENCE_SECONDS = 15, 60


def bar(name: str, total: int | None, start: int, progress: bool) -> Any:
    """A tqdm bar in bytes on standard error; in a log it writes a line now and then, not ten a second."""
    interval = 0.5 if sys.stderr.isatty() else 15
    return tqdm(
        desc=name, total=total, initial=start, unit="B", unit_scale=True, mininterval=interval, disable=not progress
    )


def verify(path: Path, expected: SourceFile, mend: str) -> None:
    """Compare a file with the size and checksum that the sources file gives, where it gives one.

    Raises:
        DataError: they differ; ``mend`` is the sentence's end.
    """
    size = path.stat().st_size
    if expected.bytes is not None and size != expected.bytes:
        raise DataError(f"{path}: {size} bytes, but {expected.bytes} are expected; {mend}")
    for algorithm, wanted in (("sha256", expected.sha256), ("md5", expected.md5)):
        if wanted and (found := digest_file(path, algorithm)) != wanted:
            raise DataError(f"{path}: wrong checksum: {algorithm} {found}, but {wanted} is expected; {mend}")


def copy(source: Path, target: Path, progress: bool) -> None:
    """Copy a file; the target is complete or absent."""
    with atomic_path(target) as partial, open(source, "rb") as reader, open(partial, "wb") as writer:
        _pour(iter(lambda: reader.read(BLOCK), b""), writer, bar(source.name, source.stat().st_size, 0, progress))


def download(url: str, target: Path, expected: SourceFile, progress: bool, label: str = "") -> None:
    """Download a file; what came of it stays in ``<target>.part`` and the next call continues there.

    A server that has another version by now (``If-Range``) sends the whole anew.

    Args:
        url: where it is.
        target: where it goes, once it is whole and verified.
        expected: its size and checksum, where known.
        progress: whether to show a progress bar on standard error.
        label: what to call the address in messages, and to recognise it by, where the url holds a signature.

    Raises:
        UserError: the server cannot be reached, refuses, or stops; names the address.
        DataError: it sent something else: a web page, another size, a wrong checksum.
    """
    label = label or url
    part, note = target.with_name(f"{target.name}.part"), target.with_name(f".{target.name}.part.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    headers = {"Accept-Encoding": "identity", **_resume_headers(label, part, note)}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
                part.unlink()  # it was complete, or of a longer version: one answer tells, the whole file
                return download(url, target, expected, progress, label)
            _check_answer(response, label, target)
            start = part.stat().st_size if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else expected.bytes
            if expected.bytes is not None and total != expected.bytes:
                raise DataError(
                    f"{label}: the server offers {total} bytes, but {expected.bytes} are expected; "
                    f"check that the address still holds the same file, and correct it or the size"
                )
            if not start:
                etag = response.headers.get("ETag", "")
                validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag
                write_json(note, {"address": label, "validator": validator})
            with disk_full_named(part), open(part, "ab" if start else "wb") as writer:
                _pour(
                    response.raw.stream(BLOCK, decode_content=False),
                    writer,
                    bar(expected.name, total, start, progress),
                )
    except requests.ConnectTimeout as error:
        raise UserError(f"{label}: no answer in {CONNECT_SECONDS} s; {_NETWORK}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        if part.is_file() and part.stat().st_size and isinstance(error, urllib3.exceptions.HTTPError):
            raise UserError(
                f"{label}: the connection broke after {part.stat().st_size} bytes; run the same command again, "
                f"it continues from there"
            ) from error
        raise UserError(f"{label}: cannot be reached ({_reason(error)}); {_NETWORK}") from error
    if total is not None and part.stat().st_size != total:
        raise UserError(
            f"{label}: {part.stat().st_size} of {total} bytes came; run the same command again, it continues"
        )
    try:
        verify(part, expected, f"run again to fetch it anew; if that fails too, {label} holds another file by now")
    except DataError:
        part.unlink()
        raise
    os.replace(part, target)
    note.unlink(missing_ok=True)


_NETWORK = "check the network and the address, or set 'mirror' to a folder or URL that holds the file"


def _resume_headers(label: str, part: Path, note: Path) -> dict[str, str]:
    """The request's range, if there is a partial file of this very address."""
    known = read_json(note) if note.is_file() else {}
    if known.get("address") != label or not part.is_file() or not part.stat().st_size:
        part.unlink(missing_ok=True)
        return {}
    headers = {"Range": f"bytes={part.stat().st_size}-"}
    if known["validator"]:
        headers["If-Range"] = known["validator"]
    return headers


def _check_answer(response: Any, label: str, target: Path) -> None:
    if response.status_code >= 400:
        raise UserError(
            f"{label}: the server answers {response.status_code} {response.reason}; correct the address in the "
            f"sources file, or set 'mirror' to a folder or URL that holds {target.name}"
        )
    if response.headers.get("Content-Type", "").startswith("text/html") and target.suffix not in (".html", ".htm"):
        raise DataError(
            f"{label}: the server sends a web page, not {target.name}; open the address in a browser, "
            f"put the file below 'mirror' and run again"
        )


def _pour(blocks: Iterator[bytes], writer: IO[bytes], progress_bar: Any) -> None:
    with progress_bar:
        for block in blocks:
            writer.write(block)
            progress_bar.update(len(block))


def _reason(error: Exception) -> str:
    """The innermost cause of a network error, in a few words."""
    reason: Any = error
    while getattr(reason, "args", None) and isinstance(reason.args[0], Exception):
        reason = reason.args[0]
    reason = getattr(reason, "reason", None) or reason
    return str(reason).rsplit(": ", 1)[-1] or type(error).__name__
