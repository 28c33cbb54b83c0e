"""Table 3: median rank and median improvement of each method, of a run or recomputed from the paper's results."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.performance import read_performance

CAPTION = (
    "Median rank among all methods with a result on a task, and median relative improvement of the error over the "
    "default WRN (errors: 1 − score where higher is better)."
)
SWAPPED = (
    "Recomputed from the paper's Table 2. The paper's Table 3 prints the improvements of DenseNAS original and "
    "DenseNAS random swapped: by its own Table 2 random search improves by 2.5 % and the original algorithm by 0.0 %."
)


def main(path_to_performance, outputs, published):
    performance = read_performance(path_to_performance)
    notes = (SWAPPED,) if published else ()
    table = aggregate_table(aggregate(performance), performance["task"].nunique(), CAPTION, notes)
    forms.write(table, outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_performance=snakemake.input.performance,
            outputs=list(snakemake.output),
            published=snakemake.wildcards.run == "reference",
        ),
        snakemake,
    )
