"""Table 2: performance of each method on each task, of a run or as the paper prints it."""

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.performance import (
    order_notes,
    performance_table,
    read_reference,
    read_scores,
    reference_performance,
    summarise,
)

OURS = (
    "Performance of each method on each task: mean ± standard deviation (of the sample) over seeds, the best of a task "
    "in bold; ↓ lower is better, ↑ higher is better."
)
PAPER = "Performance of each method on each task as the paper prints it (Table 2): mean ± deviation of three seeds."


def main(path_to_scores, path_to_reference, outputs):
    reference = read_reference(path_to_reference)
    if path_to_scores:
        scores = read_scores(path_to_scores)
        table = performance_table(summarise(scores, reference), OURS, order_notes(scores))
    else:
        table = performance_table(reference_performance(reference), PAPER)
    forms.write(table, outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_scores=snakemake.input.get("scores"),
            path_to_reference=snakemake.input.reference,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
