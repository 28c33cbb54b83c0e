"""Draw one figure from the tables of a run; its module of ``nasperf360.figures`` is loaded by name."""

from importlib import import_module

from nasperf360.figures import style
from nasperf360.job import run_job
from nasperf360.tables.performance import read_performance, read_scores
from nasperf360.tables.tasks import read_tasks


def main(name, path_to_performance, path_to_tasks, path_to_scores, outputs):
    module = import_module(f"nasperf360.figures.{name}")
    performance, tasks = read_performance(path_to_performance), read_tasks(path_to_tasks)
    numbers = module.numbers(performance, read_scores(path_to_scores) if path_to_scores else None, tasks)
    style.save(module.draw(numbers, tasks), outputs, bool(performance["simulated"].any()), numbers)


if __name__ == "__main__":
    run_job(
        lambda: main(
            name=snakemake.wildcards.figure,
            path_to_performance=snakemake.input.performance,
            path_to_tasks=snakemake.input.tasks,
            path_to_scores=snakemake.input.get("scores"),
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
