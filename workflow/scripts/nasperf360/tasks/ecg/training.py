"""ECG to networks: windows of a record, one class each."""

from nasperf360.tasks.ecg.spec import SPEC
from nasperf360.tasks.shared.classification import Classification


class ECG(Classification):
    """Windows (1, 1000), four classes."""

    spec = SPEC


TRAINING = ECG
