"""Draw what a method found, a figure per seed; the space's module of ``nasperf360.figures`` is loaded by name."""

from importlib import import_module
from pathlib import Path

from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.files import read_json
from nasperf360.job import run_job
from nasperf360.tasks import get_task


def main(space, paths_to_architectures, outputs):
    found = [read_json(path) for path in paths_to_architectures]
    for seed in dict.fromkeys(Path(output).stem for output in outputs):
        cells = [cell for cell in found if cell["seed"] == int(seed)]
        figure = draw(space, {get_task(cell["task"]).title: cell["architecture"] for cell in cells})
        paths = [output for output in outputs if Path(output).stem == seed]
        style.save(figure, paths, any(cell["simulated"] for cell in cells))


def draw(space, architectures):
    with style.context():
        if architectures:
            return import_module(f"nasperf360.figures.architecture_{space}").draw(architectures)
        figure = Figure(figsize=(style.WIDTH, 1))
        style.empty(figure, "no architecture of this method and seed in this run")
        return figure


if __name__ == "__main__":
    run_job(
        lambda: main(
            space=snakemake.params.space,
            paths_to_architectures=list(snakemake.input) or list(snakemake.params.snapshot),
            outputs=list(snakemake.output),
        ),
        log=snakemake.log[0],
    )
