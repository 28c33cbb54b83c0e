"""One run beside another, or beside the paper's printed results: table, figure and page; of the results that exist."""

from pathlib import Path

from nasperf360.figures import style
from nasperf360.figures.differences import draw
from nasperf360.job import run_job
from nasperf360.report import page, two_runs
from nasperf360.study.runs import read_study
from nasperf360.tables import forms
from nasperf360.tables.differences import (
    NO_PREDICTIONS,
    beside,
    differences,
    differences_table,
    run_performance,
    tested,
)
from nasperf360.tables.performance import read_reference, reference_performance, with_errors


def main(here, there, path_to_reference, tables, pictures, path_to_page):
    """``there``: ``results/reference`` stands for the paper's printed results."""
    reference = read_reference(path_to_reference)
    keys, printed = read_study(here).experiments, there.name == "reference"
    performance = run_performance(here, keys, reference)
    if printed:
        paper = with_errors(reference_performance(reference))
        frame = beside(performance, paper.merge(performance[["task", "method"]]))
        tests = [{"untested": NO_PREDICTIONS}] * len(frame)
    else:
        other_keys = read_study(there).experiments
        frame = beside(performance, run_performance(there, other_keys, reference))
        tests = [tested(here, there, row.task, row.method, (keys, other_keys)) for row in frame.itertuples()]
    data = differences(frame, tests)
    caption = (
        f"The results of the run {here.name} beside those of {'the paper' if printed else f'the run {there.name}'}."
    )
    table = differences_table(data, here.name, there.name, caption)
    forms.write(table, tables)
    style.save(draw(data, here.name, there.name), pictures, table.simulated)
    picture = next(path for path in map(Path, pictures) if path.suffix == ".svg")
    page.write(path_to_page, "two_runs.html.j2", **two_runs.contents(table, here.name, there.name, picture))


if __name__ == "__main__":
    run_job(
        lambda: main(
            here=Path(snakemake.output.page).parents[2],  # results/<run>
            there=Path(snakemake.output.page).parents[3] / snakemake.wildcards.other,
            path_to_reference=snakemake.input.reference,
            tables=snakemake.output.tables,
            pictures=snakemake.output.pictures,
            path_to_page=snakemake.output.page,
        ),
        snakemake,
    )
