"""NinaPro to networks: windows as images, as they are."""

from nasperf360.tasks.ninapro.spec import SPEC
from nasperf360.tasks.shared.classification import Classification


class NinaPro(Classification):
    """Windows (1, 16, 52), 18 classes with rest."""

    spec = SPEC


TRAINING = NinaPro
