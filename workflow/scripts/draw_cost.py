"""Draw error against cost."""

from nasperf360.figures import cost, style
from nasperf360.job import run_job
from nasperf360.tables.costs import read_costs
from nasperf360.tables.performance import read_performance
from nasperf360.tables.relative import baseline_notes
from nasperf360.tables.tasks import read_tasks


def main(path_to_performance, path_to_costs, path_to_tasks, outputs):
    performance = read_performance(path_to_performance)
    numbers = cost.numbers(performance, read_costs(path_to_costs))
    figure = cost.draw(numbers, read_tasks(path_to_tasks), baseline_notes(performance))
    style.save(figure, outputs, bool(performance["simulated"].any()), numbers)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_performance=snakemake.input.performance,
            path_to_costs=snakemake.input.costs,
            path_to_tasks=snakemake.input.tasks,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
