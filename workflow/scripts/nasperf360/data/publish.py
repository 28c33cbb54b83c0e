"""Publishes processed data sets to S3: ``<prefix>/<task>.h5``, and ``<prefix>/<task>.json`` that says what it is.

One manifest object per data set, so that publishers of different tasks never overwrite each other's entries. Nothing
is ever deleted; what is there with the same digest is not sent again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig

from nasperf360.data.datasets import Dataset
from nasperf360.data.s3 import Bucket
from nasperf360.data.transfer import bar
from nasperf360.errors import DataError
from nasperf360.files import digest_file, write_json

REQUIRED = ("task", "origin", "licence", "splits", "bytes", "sha256")
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
        dataset.verify()
        manifest = dataset.manifest
    check_manifest(manifest, path.with_suffix(".json"))
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


def check_manifest(manifest: Mapping[str, Any], where: str | Path) -> None:
    """Check that a manifest says what the reader of a published data set needs.

    Raises:
        DataError: a key is missing.
    """
    for key in REQUIRED:
        if key not in manifest:
            raise DataError(f"{where}: no '{key}' in the manifest of the data set; delete it and build it again")


def _put(bucket: Bucket, file: Path, kind: str, sent: list[str], progress: bool) -> dict[str, Any]:
    size, digest = file.stat().st_size, digest_file(file)
    there = bucket.head(file.name)
    if there is None or there["Metadata"].get(_DIGEST) != digest or there["ContentLength"] != size:
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
