"""Spherical: CIFAR-100 images projected onto randomly rotated spheres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasperf360.readers.cifar_archive import CLASSES, IMAGE, read_archive, train_size
from nasperf360.seeds import generator
from nasperf360.tasks.classification import Classification
from nasperf360.transforms.spherical_projection import project, random_rotations

if TYPE_CHECKING:
    from nasperf360.data.datasets import DatasetWriter
    from nasperf360.data.raw import RawFiles

BLOCK = 500  # images projected and written at once

OPTIONS = {"bandwidth": 30, "images_per_rotation": 500}


class Spherical(Classification):
    """Spheres (3, 60, 60) on a Driscoll-Healy grid, 100 classes; ``x`` uint8, ``y`` int64.

    Networks get the values 0 to 255 unscaled and without augmentation, as published.
    """

    name = "spherical"
    title = "Spherical"
    objective = "Classify spherically projected images into 100 classes"
    published_size = "60K"
    dimensions = 2
    outputs = CLASSES
    raw = "cifar100"

    def prepare(self, raw: RawFiles, writer: DatasetWriter, options: Mapping[str, Any]) -> None:
        """Project every image; split like CIFAR-100.

        Options: ``bandwidth`` b (30: grids of 60 x 60) and ``images_per_rotation`` (500: as published, each run of 500
        consecutive images of a raw file shares one random rotation).
        """
        archive = raw.one("archive").path
        members = read_archive(archive)
        cut = train_size(len(members["train"][0]))
        options = {**OPTIONS, **options}
        bandwidth, images_per_rotation = options["bandwidth"], options["images_per_rotation"]
        shape = (IMAGE[0], 2 * bandwidth, 2 * bandwidth)
        for name, member, first, stop in (
            ("train", "train", 0, cut),
            ("valid", "train", cut, None),
            ("test", "test", 0, None),
        ):
            images, labels = members[member]
            end = len(images) if stop is None else stop
            rotations = random_rotations(-(-len(images) // images_per_rotation), generator(self.name, member))
            split = writer.split(name, x=(shape, "uint8"), y=((), "int64"), classes=CLASSES, source=archive)
            for low in range(first, end, BLOCK):
                high = min(low + BLOCK, end)
                spheres = project(images, rotations, images_per_rotation, bandwidth, low, high)
                split.append(x=spheres, y=labels[low:high])


TASK = Spherical
