"""Table 1: the tasks, and the sizes of this run's data."""

from pathlib import Path

from nasperf360.job import run_job
from nasperf360.tables import forms
from nasperf360.tables.tasks import task_frame, task_table

CAPTION = "The tasks, at the size that the paper states."
CAPTION_WITH_DATA = "The tasks, at the size that the paper states, and the data of this run."


def main(tasks, manifests, outputs):
    present = {task: path for task, path in manifests.items() if Path(path).is_file()}
    table = task_table(task_frame(tasks, present), CAPTION_WITH_DATA if present else CAPTION)
    forms.write(table, outputs)


if __name__ == "__main__":
    given = {Path(path).stem: path for path in snakemake.input}
    run_job(
        lambda: main(
            tasks=snakemake.params.tasks,
            manifests=given or snakemake.params.manifests,  # those that a partial run finds
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
