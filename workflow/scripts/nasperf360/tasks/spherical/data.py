"""Spherical from the archive of CIFAR-100: ``x`` spheres (3, 60, 60) uint8 on a Driscoll-Healy grid, ``y`` int64."""

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.seeds import generator
from nasperf360.tasks.shared.cifar_archive import IMAGE, read_images, train_size
from nasperf360.tasks.spherical.projection import project, random_rotations
from nasperf360.tasks.spherical.spec import SPEC, PreprocessSettings

BLOCK = 500  # images projected and written at once


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Project every image; split like CIFAR-100."""
    archive = raw.all("archive")[0].path
    members = read_images(raw)
    cut = train_size(len(members["train"][0]))
    bandwidth, images_per_rotation = options.bandwidth, options.images_per_rotation
    shape = (IMAGE[0], 2 * bandwidth, 2 * bandwidth)
    for name, member, first, stop in (
        ("train", "train", 0, cut),
        ("valid", "train", cut, None),
        ("test", "test", 0, None),
    ):
        images, labels = members[member]
        end = len(images) if stop is None else stop
        rotations = random_rotations(-(-len(images) // images_per_rotation), generator(SPEC.name, member))
        split = writer.split(name, x=(shape, "uint8"), y=((), "int64"), classes=SPEC.outputs, source=archive)
        for low in range(first, end, BLOCK):
            high = min(low + BLOCK, end)
            spheres = project(images, rotations, images_per_rotation, bandwidth, low, high)
            split.append(x=spheres, y=labels[low:high])
