"""The ``random`` algorithm to the workflow."""

from typing import Literal

from pydantic import Field

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.algorithms.shared.trial_settings import TrialSettings
from nasperf360.errors import UserError
from nasperf360.settings.declaration import Count
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec


class RandomSettings(TrialSettings):
    """Of random search."""

    epochs: Count = Field(description="of each trial; the schedule of retraining keeps its full length")
    sampler: Literal["uniform", "derive"] = Field(
        "uniform",
        description="uniform over the space; or, as published for DenseNAS, what a supernet with random architecture "
        "parameters derives to, which is far from uniform",
    )


def check(settings: RandomSettings, space: SpaceSpec) -> None:
    """Refuse to derive from a supernet that the space does not have."""
    if settings.sampler == "derive" and Capability.SUPERNET not in space.capabilities:
        raise UserError(
            f"search.random: sampler 'derive' needs a supernet, and space '{space.name}' has none; set sampler: uniform"
        )


SPEC = AlgorithmSpec(
    name="random",
    settings=RandomSettings,
    trains_trials=True,
    keeps_size_limit=True,
    ranks_by_metric=lambda settings: True,
    check=check,
)
