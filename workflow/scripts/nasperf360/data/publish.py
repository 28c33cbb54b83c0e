"""Publishes processed data sets to S3: ``<prefix>/<task>.h5``, and ``<prefix>/<task>.json`` that says what it is.

One manifest object per data set, so that publishers of different tasks never overwrite each other's entries. Nothing
is ever deleted; what is there with the same digest is not sent again.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig

from nasperf360.data.datasets import Dataset
from nasperf360.data.s3 import Bucket
from nasperf360.data.transfer import bar
from nasperf360.errors import DataError
from nasperf360.files import BLOCK, digest_file, write_json
from nasperf360.tasks.shared.task_spec import label_classes

_PART_BYTES = 64 << 20  # of a multipart upload; 10,000 parts are allowed
_DIGEST = "sha256"


def publish(data: str | Path, receipt: str | Path, settings: Mapping[str, str], progress: bool = True) -> list[str]:
    """Upload a data set and its manifest, and write a receipt.

    Args:
        data: ``data/<task>.h5``, its manifest beside it.
        receipt: JSON file to write: where both objects are, their sizes, digests and etags.
        settings: the ``publish`` setting.
        progress: whether to show a progress bar on standard error.

    Returns:
        Names of the objects that had to be sent.

    Raises:
        DataError: the data set differs from its manifest, or the manifest lacks what a reader needs.
        UserError: the server cannot be reached, or refuses.
    """
    path = Path(data)
    with Dataset(path) as dataset:
        manifest = dataset.manifest
        dataset.verify(classes=label_classes(manifest["task"]))
    bucket = Bucket.open(settings)
    bucket.check()
    sent: list[str] = []
    objects = {}
    # The data come first: whoever sees the manifest finds what it describes.
    for file, kind in ((path, "application/x-hdf5"), (path.with_suffix(".json"), "application/json")):
        objects[file.name] = _put(bucket, file, kind, sent, progress)
    place = {"bucket": bucket.name, "endpoint": bucket.endpoint, "objects": objects}
    write_json(receipt, {"task": manifest["task"], "origin": manifest["origin"], **place})
    return sent


def _put(bucket: Bucket, file: Path, kind: str, sent: list[str], progress: bool) -> dict[str, Any]:
    size, digest = file.stat().st_size, digest_file(file)
    there = bucket.head(file.name)
    if there is None or not _is_the_same(bucket, file, there, size, digest):
        with bucket.explained(), open(file, "rb") as stream, bar(file.name, size, 0, progress) as progress_bar:
            bucket.client.upload_fileobj(
                stream,
                bucket.name,
                bucket.key(file.name),
                ExtraArgs={"Metadata": {_DIGEST: digest}, "ContentType": kind},
                Config=TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES),
                Callback=progress_bar.update,
            )
        sent.append(file.name)
        there = bucket.head(file.name)
    if there is None or there["ContentLength"] != size:
        raise DataError(f"{bucket.address(file.name)}: not there whole after the upload; run again")
    return {"key": bucket.key(file.name), "bytes": size, "sha256": digest, "etag": there["ETag"].strip('"')}


def _is_the_same(bucket: Bucket, file: Path, there: Mapping[str, Any], size: int, digest: str) -> bool:
    """Whether an object has the bytes of a file. What its metadata say is not enough: they may be of other bytes.

    A server's ETag is mostly a digest, of the parts of the upload; where it is another, the object is read.
    """
    if there["Metadata"].get(_DIGEST) != digest or there["ContentLength"] != size:
        return False
    if there["ETag"].strip('"') == _etag(file, size):
        return True
    with bucket.explained():
        body = bucket.client.get_object(Bucket=bucket.name, Key=bucket.key(file.name))["Body"]
        found = hashlib.sha256()
        for block in body.iter_chunks(BLOCK):
            found.update(block)
    return found.hexdigest() == digest


def _etag(file: Path, size: int) -> str:
    """What S3 calls an object that was sent as we send it."""
    with open(file, "rb") as stream:
        if size < _PART_BYTES:
            return hashlib.file_digest(stream, _md5).hexdigest()
        parts = [_md5(part).digest() for part in iter(lambda: stream.read(_PART_BYTES), b"")]
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)
