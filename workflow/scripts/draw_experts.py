"""Draw every method against the experts of the paper's later version."""

from nasperf360.figures import experts, style
from nasperf360.job import run_job
from nasperf360.tables.performance import LATER, read_performance, read_reference, reference_performance
from nasperf360.tables.tasks import read_tasks


def main(path_to_performance, path_to_reference, path_to_tasks, outputs):
    performance = read_performance(path_to_performance)
    numbers = experts.numbers(performance, reference_performance(read_reference(path_to_reference, LATER)))
    figure = experts.draw(numbers, read_tasks(path_to_tasks))
    style.save(figure, outputs, bool(performance["simulated"].any()), numbers)


if __name__ == "__main__":
    run_job(
        lambda: main(
            path_to_performance=snakemake.input.performance,
            path_to_reference=snakemake.input.reference,
            path_to_tasks=snakemake.input.tasks,
            outputs=list(snakemake.output),
        ),
        snakemake,
    )
