"""Satellite to networks: series as they are stored."""

from nasperf360.tasks.satellite.spec import SPEC
from nasperf360.tasks.shared.classification import Classification


class Satellite(Classification):
    """Series (1, 46), 24 classes."""

    spec = SPEC


TRAINING = Satellite
