"""Publish the data set of one task to S3."""

from nasperf360.data.publish import publish
from nasperf360.job import log, run_job


def main(path_to_data, path_to_receipt, settings, **terms):
    sent = publish(path_to_data, path_to_receipt, settings, **terms)
    log(f"{path_to_data}: sent {', '.join(sent)}" if sent else f"{path_to_data}: already published")


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_data=snakemake.input.data,
            path_to_receipt=snakemake.output[0],
            settings=snakemake.params.settings,
            redistribution=snakemake.params.redistribution,
            accepted=snakemake.params.accepted,
        ),
        snakemake,
    )
