"""Collect the result files of a run into one csv, a row per task, method and seed."""

from pathlib import Path

from nasperf360.files import write_text
from nasperf360.job import run_job
from nasperf360.tables.scores import collect, to_csv


def main(path_to_results, path_to_scores, experiments):
    scores = collect(path_to_results, [(task, method, int(seed)) for task, method, seed in experiments])
    write_text(path_to_scores, to_csv(scores))


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_results=Path(snakemake.output[0]).parents[1],  # results/<run>
            path_to_scores=snakemake.output[0],
            experiments=snakemake.params.experiments,
        ),
        snakemake,
    )
