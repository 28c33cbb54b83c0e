"""Publish the result, the architecture, the predictions and the network of one task, method and seed to S3."""

from pathlib import Path

from nasperf360.job import log, run_job
from nasperf360.stages.experiment import Experiment
from nasperf360.study.bundles import publish_bundle


def main(run, experiment, files, settings, outputs):
    sent = publish_bundle(run, experiment, {Path(path).name: path for path in files}, settings, outputs)
    log(f"{experiment}: sent {', '.join(sent)}" if sent else f"{experiment}: already published")


if __name__ == "__main__":
    run_job(
        lambda: main(
            run=snakemake.params.run,
            experiment=Experiment.of("evaluate", snakemake.wildcards),
            files=list(snakemake.input),
            settings=snakemake.params.settings,
            outputs=dict(snakemake.output.items()),
        ),
        snakemake,
    )
