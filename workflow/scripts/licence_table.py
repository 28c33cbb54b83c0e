"""Licences and origins of the raw data."""

from nasperf360.job import run_job
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.tables import forms
from nasperf360.tables.licences import licence_frame, licence_table

CAPTION = "Licence and home page of the raw data of each task."


def main(path_to_sources, tasks, outputs):
    forms.write(licence_table(licence_frame(tasks, read_yaml(path_to_sources)), CAPTION), outputs)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_sources=snakemake.input.sources, tasks=snakemake.params.tasks, outputs=list(snakemake.output)
        ),
        snakemake,
    )
