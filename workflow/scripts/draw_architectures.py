"""Draw what a method found, a figure per seed; ``drawing.py`` of the space is loaded by name."""

from pathlib import Path

from matplotlib.figure import Figure

from nasperf360.figures import style
from nasperf360.files import read_json
from nasperf360.job import run_job
from nasperf360.labels import task_label
from nasperf360.registry import room


def main(space, paths_to_architectures, outputs):
    found = [read_json(path) for path in paths_to_architectures]
    for seed in dict.fromkeys(Path(output).stem for output in outputs):
        searched = [one for one in found if one["seed"] == int(seed)]
        figure = draw(space, {task_label(one["task"]): one["architecture"] for one in searched})
        paths = [output for output in outputs if Path(output).stem == seed]
        style.save(figure, paths, any(one["simulated"] for one in searched))


def draw(space, architectures):
    with style.context():
        if architectures:
            return room("spaces", space, "drawing").draw(architectures)
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
        snakemake,
    )
