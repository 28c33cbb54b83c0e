"""Simulate the raw files of one task, in the original formats."""

from pathlib import Path

from nasperf360.data.simulate import simulate
from nasperf360.job import run_job
from nasperf360.locks import locked


def main(path_to_manifest, task, options):
    folder = Path(path_to_manifest).parent
    with locked(folder.parents[1] / "checkpoints" / "download" / task):
        simulate(task, folder, options)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_manifest=snakemake.output[0],
            task=snakemake.wildcards.task,
            options=snakemake.params.options,
        ),
        snakemake,
        failure=Path(snakemake.output[0]).with_name("failure.json"),
    )
