"""Spherical from ``s2_cifar100.gz``, the spheres that the benchmark projected; stored as ``data.py`` stores its own."""

import gzip
from pathlib import Path

import numpy as np

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.tasks.shared.arrays import check_labels, check_shape
from nasperf360.tasks.shared.cifar_archive import MEMBERS, write_images
from nasperf360.tasks.shared.pickles import fields_of, read_pickle
from nasperf360.tasks.spherical.spec import SPEC, PreprocessSettings

SHAPE = (3, 60, 60)
SAMPLES = {"train": 40_000, "valid": 10_000, "test": 10_000}
FIXED = ("bandwidth", "images_per_rotation")  # options that say how spheres are made


def preprocess(raw: RawFiles, writer: DatasetWriter, options: PreprocessSettings) -> None:
    """Split like CIFAR-100."""
    path = raw.one("spheres", "s2_cifar100.gz").path
    members = read_spheres(path)
    write_images(writer, members, SHAPE, SPEC.outputs, path)


def read_spheres(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Spheres (N, 3, 60, 60) uint8 and labels (N,) int64 of ``train`` and ``test``.

    Raises:
        DataError: a truncated or wrong file, a missing key, arrays of another shape, type or range.
    """
    with gzip.open(path) as stream:
        content = read_pickle(path, stream, encoding="bytes")
    found = {}
    for name, member in zip(MEMBERS, fields_of(path, content, *MEMBERS), strict=True):
        images, labels = fields_of(f"{path}: '{name}'", member, "images", "labels")
        spheres = check_shape(path, f"'images' of '{name}'", images, "u", None, *SHAPE)
        if spheres.dtype != np.uint8:
            raise DataError(f"{path}: 'images' of '{name}' has values of type {spheres.dtype}, expected uint8")
        what = f"'labels' of '{name}'"
        found[name] = spheres, check_labels(path, what, labels, len(spheres), 0, SPEC.outputs - 1)
    return found
