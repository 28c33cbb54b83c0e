"""Search for the architecture of one task, method and seed."""

from pathlib import Path

from nasperf360.imports import quick_imports
from nasperf360.job import run_job
from nasperf360.jobs.cells import Cell, Machine
from nasperf360.jobs.provenance import code_of


def main(cell, machine, **arguments):
    with quick_imports():
        from nasperf360.jobs.searching import search

    search(cell, machine=machine, **arguments)


if __name__ == "__main__":
    run_job(
        lambda: main(
            cell=Cell("search", snakemake.wildcards.task, snakemake.wildcards.method, int(snakemake.wildcards.seed)),
            machine=Machine.of(snakemake.params, snakemake.resources),
            method=snakemake.params.method,
            space_settings=snakemake.params.space,
            settings=snakemake.params.settings,
            code=code_of(snakemake.params.items()),
            data=snakemake.input.data,
            limiting=snakemake.input.get("size_limit"),
            outputs=dict(snakemake.output.items()),
        ),
        log=snakemake.log[0],
        failure=Path(snakemake.output.architecture).with_name("failure.json"),
    )
