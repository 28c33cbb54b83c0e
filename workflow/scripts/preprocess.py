"""Preprocess the raw files of one task into HDF5."""

from pathlib import Path

from nasperf360.data.fetched import refusals
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
from nasperf360.job import run_job
from nasperf360.locks import locked


def main(path_to_raw, path_to_data, task, options, whole):
    with locked(Path(path_to_data).parents[1] / "checkpoints" / "preprocess" / task):
        raw = RawFiles.open(path_to_raw, Path(path_to_data).with_suffix(".json"))
        raw.verify()
        with refusals(raw):
            preprocess(task, raw, path_to_data, options, whole)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_raw=snakemake.input.raw,
            path_to_data=snakemake.output.data,
            task=snakemake.wildcards.task,
            options=snakemake.params.options,
            whole=snakemake.params.get("whole", False),
        ),
        snakemake,
        failure=Path(snakemake.output.data).with_suffix("") / "failure.json",
    )
