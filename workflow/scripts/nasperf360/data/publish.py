"""Publishes processed data sets to S3: ``<prefix>/<task>.h5``, and ``<prefix>/<task>.json`` that says what it is."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.datasets import Dataset
from nasperf360.data.redistribution import check_redistribution
from nasperf360.data.s3 import Bucket
from nasperf360.data.upload import Upload, upload
from nasperf360.files import write_json
from nasperf360.tasks.shared.task_spec import label_classes


def publish(
    data: str | Path,
    receipt: str | Path,
    settings: Mapping[str, Any],
    redistribution: str | None = None,
    accepted: Collection[str] = (),
    progress: bool = True,
) -> list[str]:
    """Upload a data set and its manifest, and write a receipt.

    Args:
        data: ``data/<task>.h5``, its manifest beside it.
        receipt: JSON file to write: where both objects are, their sizes, digests and etags.
        settings: bucket, prefix and endpoint of the ``publish`` setting.
        redistribution: what the sources file says of it; None if nothing.
        accepted: licences that are no obstacle whatever it says.
        progress: whether to show a progress bar on standard error.

    Returns:
        Names of the objects that had to be sent.

    Raises:
        DataError: the data set differs from its manifest, or the manifest lacks what a reader needs.
        UserError: its licence does not allow it, another data set is there under the same key, or the server cannot be
            reached, or refuses.
    """
    path = Path(data)
    with Dataset(path) as dataset:
        manifest = dataset.manifest
        check_redistribution(manifest, redistribution, accepted)
        dataset.verify(classes=label_classes(manifest["task"]))
    bucket = Bucket.open(settings)
    bucket.check()
    # The data come first: whoever sees the manifest finds what it describes.
    described = path.with_suffix(".json")
    files = [Upload(path, path.name, "application/x-hdf5"), Upload(described, described.name, "application/json")]
    objects, sent = upload(bucket, files, progress)
    place = {"bucket": bucket.name, "endpoint": bucket.endpoint, "objects": objects}
    write_json(receipt, {"task": manifest["task"], "origin": manifest["origin"], **place})
    return sent
