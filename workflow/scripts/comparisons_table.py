"""Which methods differ by more than the choice of tasks: tests of each pair, of a run or of the paper's results."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.comparisons import comparisons, comparisons_table
from nasperf360.tables.performance import read_performance

CAPTION = "Pairs of the methods that have every task: do they differ by more than the choice of tasks?"


def main(path_to_performance, outputs):
    performance = read_performance(path_to_performance)
    forms.write(comparisons_table(comparisons(performance), performance, CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(path_to_performance=snakemake.input.performance, outputs=list(snakemake.output)),
        snakemake,
    )
