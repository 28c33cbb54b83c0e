"""Search for the architecture of one task, method and seed."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.stages.code_digest import code_of
from nasperf360.stages.experiment import Experiment, Machine
from nasperf360.stages.search import search

if __name__ == "__main__":
    run_job(
        lambda: search(
            experiment=Experiment.of("search", snakemake.wildcards),
            machine=Machine.of(snakemake.params, snakemake.resources),
            method=snakemake.params.method,
            space_settings=snakemake.params.space,
            settings=snakemake.params.settings,
            code=code_of(snakemake.params.items()),
            data=snakemake.input.data,
            limiting=snakemake.input.get("size_limit"),
            worker=int(snakemake.wildcards.get("worker", 0)),
            workers=snakemake.input.get("workers", []),
            outputs=dict(snakemake.output.items()),
        ),
        snakemake,
        failure=Path(snakemake.output.cost).with_name("failure.json"),
    )
