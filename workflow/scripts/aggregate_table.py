"""Table 3: median rank and median improvement of each method, of a run or recomputed from the paper's results."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.aggregate import aggregate, aggregate_table
from nasperf360.tables.performance import read_performance, read_scores

CAPTION = (
    "Median rank among all methods tried on a task, and median relative improvement of the error over the "
    "default WRN (errors: 1 − score where higher is better)."
)
SWAPPED = (
    "Recomputed from the paper's Table 2. The paper's Table 3 prints the improvements of DenseNAS original and "
    "DenseNAS random swapped: by its own Table 2 random search improves by 2.5 % and the original algorithm by 0.0 %."
)


def main(path_to_performance, path_to_scores, outputs):
    """``path_to_scores``: None for the paper's printed results."""
    performance = read_performance(path_to_performance)
    scores = read_scores(path_to_scores) if path_to_scores else None
    notes = () if path_to_scores else (SWAPPED,)
    forms.write(aggregate_table(aggregate(performance, scores), performance, scores, CAPTION, notes), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_performance=snakemake.input.performance,
            path_to_scores=snakemake.input.get("scores"),
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
