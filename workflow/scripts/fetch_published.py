"""Fetch a published data set of one task, verified against its manifest."""

from nasperf360.job import run_job
from nasperf360.published import fetch_published

if __name__ == "__main__":
    run_job(
        lambda: fetch_published(
            task=snakemake.wildcards.task,
            data=snakemake.output.data,
            mirror=snakemake.resources.mirror,
            settings={key: getattr(snakemake.resources, f"publish_{key}") for key in ("bucket", "prefix", "endpoint")},
        ),
        log=snakemake.log[0],
    )
