"""The ``darts`` algorithm to the workflow."""

from pydantic import Field

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.algorithms.shared.supernet_settings import BilevelSettings
from nasperf360.settings.declaration import Amount, Pair
from nasperf360.spaces.shared.space_spec import Capability


class DartsSettings(BilevelSettings):
    """Of first-order DARTS."""

    architecture_betas: Pair = Field([0.9, 0.999], description="of Adam on the architecture parameters")
    architecture_weight_decay: Amount = Field(1e-3, description="of Adam on the architecture parameters")


SPEC = AlgorithmSpec(name="darts", settings=DartsSettings, needs=frozenset({Capability.SUPERNET}))
