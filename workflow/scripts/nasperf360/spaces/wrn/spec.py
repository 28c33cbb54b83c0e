"""The ``wrn`` space to the workflow."""

from typing import Literal

from pydantic import Field, field_validator

from nasperf360.settings.declaration import Count, Settings
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec
from nasperf360.tasks.shared.option_kinds import PositiveRange


class WideResNetSettings(Settings):
    """Of WRN, and of the residual network that stands for it on 1-D tasks."""

    depth: Count = Field(16, description="layers, 6 n + 4: 10, 16, 22, ...")
    widen: Count = Field(4, description="factor of the widths of the three groups")
    width: Count = Field(16, description="channels of the stem and, times 1, 2, 4 and `widen`, of the groups")
    width_1d: Count = Field(64, description="channels of the first block of 1-D networks")
    pooling: Literal["global"] | Count = Field(
        "global", description="what the head averages: all of the map, or the window of that side in its corner"
    )
    lr: PositiveRange = Field(
        [1e-4, 1e-1], description="least and largest learning rate that a search draws, log-uniform; at most 1"
    )

    @field_validator("lr")
    @classmethod
    def _at_most_one(cls, lr: list[float]) -> list[float]:
        if lr[1] > 1:
            raise ValueError(f"a learning rate is at most 1; lower {lr[1]:g}")
        return lr

    @field_validator("depth")
    @classmethod
    def _six_n_and_four(cls, depth: int) -> int:
        if depth < 10 or (depth - 4) % 6:
            raise ValueError("a wide ResNet has 6 n + 4 layers: give 10, 16, 22, ...")
        return depth


SPEC = SpaceSpec(name="wrn", settings=WideResNetSettings, capabilities=frozenset({Capability.DEFAULT}))
