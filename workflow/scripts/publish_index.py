"""List what the bucket holds, for people and for programs, beside it."""

from nasperf360.data.sources_file import read_terms
from nasperf360.job import log, run_job
from nasperf360.report.publications import page
from nasperf360.study.publications import write_index


def main(path_to_sources, settings, outputs):
    sent = write_index(settings, read_terms(path_to_sources), page, outputs)
    log(f"sent {', '.join(sent)}" if sent else "the list is as it was")


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_sources=snakemake.input.sources,
            settings=snakemake.params.settings,
            outputs=dict(snakemake.output.items()),
        ),
        snakemake,
    )
