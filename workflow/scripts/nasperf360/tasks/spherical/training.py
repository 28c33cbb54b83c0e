"""Spherical to networks: the values 0 to 255 unscaled and without augmentation, as published."""

from nasperf360.tasks.shared.classification import Classification
from nasperf360.tasks.spherical.spec import SPEC


class Spherical(Classification):
    """Spheres (3, 60, 60), 100 classes."""

    spec = SPEC


TRAINING = Spherical
