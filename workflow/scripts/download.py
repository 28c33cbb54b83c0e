"""Download the raw files of one task from their original sites or a mirror."""

from pathlib import Path

from nasperf360.data.download import fetch
from nasperf360.data.sources import Source
from nasperf360.job import run_job
from nasperf360.locks import locked


def main(path_to_manifest, task, source, mirror, lock):
    folder = Path(path_to_manifest).parent
    with locked(folder.parents[1] / "checkpoints" / "download" / task):
        fetch(Source.parse(task, source), folder, mirror, lock=lock)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_manifest=snakemake.output[0],
            task=snakemake.wildcards.task,
            source=snakemake.params.source,
            mirror=snakemake.resources.mirror,
            lock=snakemake.resources.lock,
        ),
        snakemake,
        failure=Path(snakemake.output[0]).with_name("failure.json"),
    )
