"""Simulate the raw files of one task, in the original formats."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.simulators import simulate


def main(path_to_manifest, task, options):
    simulate(task, Path(path_to_manifest).parent, options)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_manifest=snakemake.output[0],
            task=snakemake.wildcards.task,
            options=snakemake.params.options,
        ),
        log=snakemake.log[0],
    )
