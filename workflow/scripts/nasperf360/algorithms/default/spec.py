"""The ``default`` algorithm to the workflow."""

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.spaces.shared.space_spec import Capability

SPEC = AlgorithmSpec(name="default", needs=frozenset({Capability.DEFAULT}), trains=False)
