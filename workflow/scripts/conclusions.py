"""Which conclusions survive the corrected choices: table and figure, of the runs that exist; trains nothing."""

from pathlib import Path

from nasperf360.figures import style
from nasperf360.figures.conclusions import draw
from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.conclusions import conclusions, conclusions_table
from nasperf360.tables.performance import read_reference

CAPTION = (
    "Median rank and median improvement of the error over the default WRN, as in Table 3, by the published protocol "
    "and with its accidents put right, one at a time and together."
)


def main(here, others, path_to_reference, tables, pictures):
    data = conclusions(here, others, read_reference(path_to_reference))
    table = conclusions_table(data, CAPTION)
    forms.write(table, tables)
    style.save(draw(data), pictures, table.simulated)


if __name__ == "__main__":
    run_job(
        lambda: main(
            here=Path(snakemake.output.tables[0]).parents[1],  # results/<run>
            others=[Path("results", name) for name in snakemake.params.others],
            path_to_reference=snakemake.input.reference,
            tables=snakemake.output.tables,
            pictures=snakemake.output.pictures,
        ),
        snakemake,
    )
