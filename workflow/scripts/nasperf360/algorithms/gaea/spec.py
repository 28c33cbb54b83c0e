"""The ``gaea`` algorithm to the workflow."""

from typing import Literal

from pydantic import Field

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.algorithms.shared.supernet_settings import BilevelSettings
from nasperf360.spaces.shared.space_spec import Capability


class GaeaSettings(BilevelSettings):
    """Of exponentiated gradient descent."""

    mixture: Literal["softmax", "simplex"] = Field(
        "softmax",
        description="by a softmax on top of the simplex, as published, or by the simplex values themselves",
    )


SPEC = AlgorithmSpec(name="gaea", settings=GaeaSettings, needs=frozenset({Capability.SUPERNET}))
