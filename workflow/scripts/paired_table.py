"""Which methods differ on which tasks by more than the choice of test samples: tests of each pair on the same ones."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.paired import paired, paired_table

CAPTION = "Pairs of methods on the test samples of each task: do they differ by more than the choice of samples?"


def main(path_to_results, experiments, outputs):
    keys = [(task, method, int(seed)) for task, method, seed in experiments]
    forms.write(paired_table(*paired(path_to_results, keys), CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_results=Path(snakemake.output[0]).parents[1],  # results/<run>
            experiments=snakemake.params.experiments,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
