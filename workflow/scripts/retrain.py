"""Train the architecture of one task, method and seed from scratch, and predict the test split."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.stages.code_digest import code_of
from nasperf360.stages.experiment import Experiment, Machine
from nasperf360.stages.retrain import retrain

if __name__ == "__main__":
    run_job(
        lambda: retrain(
            experiment=Experiment.of("retrain", snakemake.wildcards),
            machine=Machine.of(snakemake.params, snakemake.resources),
            space_name=snakemake.params.space_name,
            space_settings=snakemake.params.space,
            settings=snakemake.params.settings,
            code=code_of(snakemake.params.items()),
            data=snakemake.input.data,
            architecture=snakemake.input.architecture,
            outputs=dict(snakemake.output.items()),
        ),
        snakemake,
        failure=Path(snakemake.output.cost).with_name("failure.json"),
    )
