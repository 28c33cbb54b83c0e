"""The performance of a run beside the paper's, result by result, and beside the experts of its later version."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.comparison import compare, comparison_table
from nasperf360.tables.performance import LATER, read_performance, read_reference

CAPTION = (
    "Results of this run beside those that the paper prints, one by one, and the best of NAS beside the networks that "
    "experts designed."
)


def main(path_to_performance, path_to_reference, outputs):
    table = compare(read_performance(path_to_performance), read_reference(path_to_reference, LATER))
    forms.write(comparison_table(table, CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_performance=snakemake.input.performance,
            path_to_reference=snakemake.input.reference,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
