"""Files to a bucket, compared with what came of them; never over another file, and none twice.

The parts of a large file are read from disk as they are sent, a few at once: memory is bounded whatever its size.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig, create_transfer_manager

from nasperf360.data.s3 import Bucket
from nasperf360.data.transfer import bar
from nasperf360.errors import DataError, UserError
from nasperf360.files import BLOCK

_PART_BYTES = 64 << 20  # of a multipart upload, a multiple of BLOCK; 10,000 parts are allowed
_AT_ONCE = 4
_DIGEST = "sha256"


@dataclass(frozen=True)
class Upload:
    """A file, and what it is to be in the bucket.

    Args:
        file: its path.
        name: below the prefix.
        kind: its media type.
    """

    file: Path
    name: str
    kind: str


@dataclass(frozen=True)
class _Content:
    """Bytes, as S3 knows them: ``etag`` is what it calls an object that was sent as we send it."""

    bytes: int
    sha256: str
    etag: str


def upload(
    bucket: Bucket, uploads: Sequence[Upload], progress: bool = True, *, replace: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Send files in their order, but for those that are there already.

    Args:
        bucket: where to.
        uploads: what, and under which names.
        progress: whether to show a progress bar on standard error.
        replace: whether they take the place of others, as the list of what is there does.

    Returns:
        By name, the key, size, digest and etag of each object; and the names of those that had to be sent.

    Raises:
        UserError: another file is there under one of the names, and none was sent; or the server cannot be reached, or
            refuses.
        DataError: what came is not what was sent.
    """
    contents = {sent.name: _content(sent.file) for sent in uploads}
    there = {sent.name: bucket.head(sent.name) for sent in uploads}
    for sent in uploads:
        found = there[sent.name]
        if found is not None and not _holds(bucket, sent.name, found, contents[sent.name]):
            if replace:
                there[sent.name] = None
                continue
            raise UserError(
                f"{bucket.address(sent.name)}: under this key lies another file than {sent.file}, and nothing is ever "
                f"overwritten; choose another publish.prefix, or delete that object yourself if it is of no use"
            )
    objects = {}
    for sent in uploads:
        content, found = contents[sent.name], there[sent.name]
        if found is None:
            _send(bucket, sent, content, progress)
            found = bucket.head(sent.name)
            if found is None or not _holds(bucket, sent.name, found, content):
                raise DataError(f"{bucket.address(sent.name)}: not what was sent, or {sent.file} changed; run again")
        objects[sent.name] = {
            "key": bucket.key(sent.name),
            "bytes": content.bytes,
            "sha256": content.sha256,
            "etag": found["ETag"].strip('"'),
        }
    return objects, [sent.name for sent in uploads if there[sent.name] is None]


def _send(bucket: Bucket, sent: Upload, content: _Content, progress: bool) -> None:
    config = TransferConfig(
        multipart_threshold=_PART_BYTES,
        multipart_chunksize=_PART_BYTES,
        max_concurrency=_AT_ONCE,
        preferred_transfer_client="classic",
    )
    with (
        bucket.explained(),
        bar(sent.name, content.bytes, 0, progress) as progress_bar,
        create_transfer_manager(bucket.client, config) as manager,
    ):
        # By its path: of an open file the parts would be read into memory.
        manager.upload(
            str(sent.file),
            bucket.name,
            bucket.key(sent.name),
            extra_args={"Metadata": {_DIGEST: content.sha256}, "ContentType": sent.kind},
            subscribers=[ProgressCallbackInvoker(progress_bar.update)],
        ).result()


def _content(file: Path) -> _Content:
    """Size and digests of a file, read once."""
    whole, parts, size = hashlib.sha256(), [_md5()], 0
    with open(file, "rb") as stream:
        while block := stream.read(BLOCK):
            if size and size % _PART_BYTES == 0:
                parts.append(_md5())
            parts[-1].update(block)
            whole.update(block)
            size += len(block)
    etag = parts[0].hexdigest()
    if size >= _PART_BYTES:
        etag = f"{_md5(b''.join(part.digest() for part in parts)).hexdigest()}-{len(parts)}"
    return _Content(size, whole.hexdigest(), etag)


def _holds(bucket: Bucket, name: str, there: Mapping[str, Any], content: _Content) -> bool:
    """Whether an object has these bytes. What its metadata say is not enough: they may be of other bytes.

    A server's ETag is mostly a digest, of the parts of the upload; where it is another, the object is read.
    """
    if there["ContentLength"] != content.bytes or there["Metadata"].get(_DIGEST, content.sha256) != content.sha256:
        return False
    if there["ETag"].strip('"') == content.etag:
        return True
    found = hashlib.sha256()
    for block in bucket.blocks(name):
        found.update(block)
    return found.hexdigest() == content.sha256


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)
