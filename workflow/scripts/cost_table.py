"""Hours of search and of retraining, per task and method."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.costs import cost_table, job_costs, summarise

CAPTION = "Hours of search and of retraining for each method, over all its tasks and on each task."


def main(path_to_results, experiments, searches, outputs):
    keys = [(task, method, int(seed)) for task, method, seed in experiments]
    forms.write(cost_table(summarise(job_costs(path_to_results, keys, searches), keys), CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_results=Path(snakemake.output[0]).parents[1],  # results/<run>
            experiments=snakemake.params.experiments,
            searches=snakemake.params.searches,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
