"""Fetch a published data set of one task, verified against its manifest."""

from pathlib import Path

from nasperf360.data.published import fetch_published
from nasperf360.job import run_job
from nasperf360.locks import locked


def main(task, data, **options):
    with locked(Path(data).parents[1] / "checkpoints" / "download" / task):
        fetch_published(task, data, **options)


if __name__ == "__main__":
    run_job(
        lambda: main(
            task=snakemake.wildcards.task,
            data=snakemake.output.data,
            mirror=snakemake.resources.mirror,
            settings={key: getattr(snakemake.resources, f"publish_{key}") for key in ("bucket", "prefix", "endpoint")},
        ),
        snakemake,
        failure=Path(snakemake.output.data).parents[1] / "raw" / snakemake.wildcards.task / "failure.json",
    )
