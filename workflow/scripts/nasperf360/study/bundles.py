"""What is published of an experiment: result, architecture, network, and what that says of the test samples.

``<prefix>/results/<run>/<task>/<method>/<seed>/``; ``bundle.json`` there lists the files and is sent last.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasperf360.data.s3 import Bucket
from nasperf360.data.upload import Upload, upload
from nasperf360.errors import DataError
from nasperf360.files import digest_file, read_json, write_json
from nasperf360.stages.experiment import Experiment, is_checksummed

FOLDER, MANIFEST = "results", "bundle.json"
JSON, BYTES = "application/json", "application/octet-stream"
KINDS = {"result.json": JSON, "architecture.json": JSON, "predictions.h5": "application/x-hdf5", "model.pt": BYTES}


def publish_bundle(
    run: str,
    experiment: Experiment,
    files: Mapping[str, str],
    settings: Mapping[str, Any],
    outputs: Mapping[str, str],
    progress: bool = True,
) -> list[str]:
    """Upload the files of an experiment, and write what lists them and a receipt.

    Args:
        run: name of the run.
        experiment: whose they are.
        files: paths of those of ``KINDS``, by name; predictions may be absent.
        settings: bucket, prefix and endpoint of the ``publish`` setting.
        outputs: paths ``manifest`` and ``receipt``.
        progress: whether to show a progress bar on standard error.

    Returns:
        Names of the objects that had to be sent.

    Raises:
        DataError: the files are not those of one experiment.
        UserError: other files are there under the same keys, or the server cannot be reached, or refuses.
    """
    result = _consistent(files)
    digests = {
        name: {"bytes": Path(path).stat().st_size, "sha256": digest_file(path)} for name, path in sorted(files.items())
    }
    said = {key: result[key] for key in ("metric", "value", "parameters", "multiply_adds", "simulated")}
    data = {"data_sha256": result["provenance"]["data_sha256"]}
    write_json(outputs["manifest"], {"run": run, **experiment.names(), **said, **data, "files": digests})
    bucket = Bucket.open(settings)
    bucket.check()
    folder = f"{FOLDER}/{run}/{experiment.task}/{experiment.method}/{experiment.seed}"
    uploads = [Upload(Path(files[name]), f"{folder}/{name}", KINDS[name]) for name in KINDS if name in files]
    uploads.append(Upload(Path(outputs["manifest"]), f"{folder}/{MANIFEST}", JSON))
    objects, sent = upload(bucket, uploads, progress)
    write_json(outputs["receipt"], {"bucket": bucket.name, "endpoint": bucket.endpoint, "objects": objects})
    return sent


def _consistent(files: Mapping[str, str]) -> dict[str, Any]:
    """The result, if the other files are those that it rests on.

    Raises:
        DataError: names the file that is not.
    """
    again = "run verify.py, and publish again"
    contents = {name: read_json(files[name]) for name in ("result.json", "architecture.json")}
    for name, content in contents.items():
        if not isinstance(content, dict) or not is_checksummed(content):
            raise DataError(f"{files[name]}: damaged or edited, its content has not its checksum; {again}")
    result, architecture = contents["result.json"], contents["architecture.json"]
    if result["provenance"]["settings"]["architecture"] != architecture["architecture"]:
        raise DataError(f"{files['architecture.json']}: not the one that {files['result.json']} rests on; {again}")
    for name in files.keys() - contents.keys():
        if digest_file(files[name]) != result["files"].get(name):
            raise DataError(f"{files[name]}: not the one that {files['result.json']} rests on; {again}")
    return result
