"""Draw sample spheres of the processed task Spherical."""

from nasperf360.data.datasets import Dataset
from nasperf360.figures import style
from nasperf360.figures.gallery_spherical import draw
from nasperf360.job import run_job
from nasperf360.seeds import generator

SPHERES = 12


def main(path_to_data, outputs):
    with Dataset(path_to_data) as dataset, style.context():
        train = dataset.split("train")
        drawn = generator("gallery").permutation(len(train))[:SPHERES]  # the file may be sorted
        style.save(draw(train.read("x", drawn), train.read("y", drawn)), outputs, dataset.simulated, mark=style.IMAGES)


if __name__ == "__main__":
    run_job(
        lambda: main(path_to_data=snakemake.input.data, outputs=list(snakemake.output)),
        snakemake,
    )
