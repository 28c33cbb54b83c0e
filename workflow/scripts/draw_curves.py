"""Draw how trainings and searches got on, from their histories."""

from pathlib import Path

from nasperf360.figures import curves, style
from nasperf360.job import run_job
from nasperf360.tables.histories import read_histories
from nasperf360.tables.tasks import read_tasks


def main(folder, experiments, searches, path_to_tasks, outputs):
    tasks = read_tasks(path_to_tasks)
    keys = [(task, method, int(seed)) for task, method, seed in experiments]
    histories = read_histories(folder, keys, searches, tasks["higher_is_better"].to_dict())
    numbers = curves.numbers(histories)
    style.save(curves.draw(numbers, tasks), outputs, bool(tasks["simulated"].eq(True).any()), numbers)


if __name__ == "__main__":
    run_job(
        lambda: main(
            folder=Path(snakemake.output[0]).parents[1],  # results/<run>
            experiments=snakemake.params.experiments,
            searches=snakemake.params.searches,
            path_to_tasks=snakemake.input.tasks,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
