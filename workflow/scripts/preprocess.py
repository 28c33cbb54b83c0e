"""Preprocess the raw files of one task into HDF5."""

from pathlib import Path

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.job import run_job
from nasperf360.locks import locked
from nasperf360.tasks import get_task


def main(path_to_raw, path_to_data, task, options):
    with locked(Path(path_to_data).parents[1] / "checkpoints" / "preprocess" / task):
        prepare(path_to_raw, path_to_data, task, options)


def prepare(path_to_raw, path_to_data, task, options):
    raw = RawFiles.open(path_to_raw)
    raw.verify()
    attributes = {
        "task": task,
        "origin": raw.origin,
        "licence": raw.licence,
        "parameters": options,
        "sources": {file.relative: file.sha256 for file in raw.files},
    }
    with DatasetWriter(path_to_data, **attributes) as writer:
        get_task(task).prepare(raw, writer, options)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_raw=snakemake.input.raw,
            path_to_data=snakemake.output.data,
            task=snakemake.wildcards.task,
            options=snakemake.params.options,
        ),
        log=snakemake.log[0],
        failure=Path(snakemake.output.data).with_suffix("") / "failure.json",
    )
