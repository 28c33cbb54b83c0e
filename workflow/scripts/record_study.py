"""Write down what a run was asked for."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.study.run_files import write_run

if __name__ == "__main__":
    run_job(
        lambda: write_run(
            snakemake.params.run,
            snakemake.params.about,
            **snakemake.params.asked,
            results=Path(snakemake.output.study).parents[1],
        ),
        snakemake,
    )
