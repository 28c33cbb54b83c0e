"""Score the predictions of one task, method and seed."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.stages.code_digest import code_of
from nasperf360.stages.evaluate import evaluate
from nasperf360.stages.experiment import Experiment


def main(experiment, output, **arguments):
    verified = Path(output).parents[4] / "checkpoints" / "evaluate" / experiment.task
    evaluate(experiment, output=output, verified=verified, **arguments)


if __name__ == "__main__":
    run_job(
        lambda: main(
            experiment=Experiment.of("evaluate", snakemake.wildcards),
            code=code_of(snakemake.params.items()),
            data=snakemake.input.data,
            predictions=snakemake.input.predictions,
            cost=snakemake.input.cost,
            output=snakemake.output[0],
        ),
        snakemake,
        failure=Path(snakemake.output[0]).with_name("failure.json"),
    )
