"""Draw a few training samples of each task."""

from pathlib import Path

from nasperf360.data.datasets import Dataset
from nasperf360.figures import samples, style
from nasperf360.job import run_job
from nasperf360.seeds import generator
from nasperf360.tasks.shared.task_spec import task_spec

SAMPLES = 4


def main(paths_to_data, outputs):
    for path_to_data, output in zip(paths_to_data, outputs, strict=True):
        with Dataset(path_to_data) as dataset:
            train = dataset.split("train")
            drawn = sorted(generator("samples").permutation(len(train))[:SAMPLES])  # the file may be sorted
            dense = task_spec(Path(path_to_data).stem).kind == "dense"
            figure = samples.draw(train.read("x", drawn), train.read("y", drawn), dense)
            style.save(figure, [output], dataset.simulated, mark=style.IMAGES)


if __name__ == "__main__":
    run_job(
        lambda: main(paths_to_data=list(snakemake.input.data), outputs=list(snakemake.output)),
        snakemake,
    )
