"""DeepSEA to networks: one-hot DNA to logits of 36 binary labels."""

from nasperf360.tasks.deepsea.spec import SPEC
from nasperf360.tasks.shared.binary_labels import BinaryLabels


class DeepSEA(BinaryLabels):
    """Sequences (4, 1000)."""

    spec = SPEC


TRAINING = DeepSEA
