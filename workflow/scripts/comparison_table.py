"""The performance of a run beside the paper's, result by result."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.comparison import compare, comparison_table
from nasperf360.tables.performance import read_performance

CAPTION = "Results of this run beside those that the paper prints, one by one."


def main(path_to_performance, outputs):
    forms.write(comparison_table(compare(read_performance(path_to_performance)), CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(path_to_performance=snakemake.input.performance, outputs=list(snakemake.output)),
        snakemake,
    )
