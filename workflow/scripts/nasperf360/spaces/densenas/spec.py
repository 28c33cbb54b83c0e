"""The ``densenas`` space to the workflow."""

from typing import Annotated, Self

from annotated_types import Len
from pydantic import Field, model_validator

from nasperf360.settings.declaration import Count, Positive, Settings, Whole
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec


class Stage(Settings):
    """Routing blocks of one resolution."""

    channels: Annotated[list[Count], Len(1)] = Field(description="widths of its blocks, different in all stages")
    layers: Whole | list[Whole] = Field(description="stack layers of each block, or of all of them")
    stride: int = Field(1, ge=1, le=2, description="2 halves the resolution of the stage before; dense tasks keep it")

    @model_validator(mode="after")
    def _layers_of_each_block(self) -> Self:
        if isinstance(self.layers, list) and len(self.layers) != len(self.channels):
            raise ValueError(
                f"layers {self.layers!r}; give a whole number, or a list of {len(self.channels)}, one for each of the "
                f"channels"
            )
        return self


class DenseNasSettings(Settings):
    """Of DenseNAS-R1; the stages are those of CIFAR-100 in the reference code."""

    stem: Count = Field(32, description="channels of the stem")
    stages: Annotated[list[Stage], Len(1)] = Field(
        [
            Stage(channels=[48, 56, 64], layers=0, stride=1),
            Stage(channels=[72, 96, 112], layers=5, stride=2),
            Stage(channels=[128, 144, 160, 176], layers=15, stride=2),
            Stage(channels=[192, 208, 224], layers=5, stride=1),
        ],
        description="routing blocks, stage by stage",
    )
    last: Count = Field(224, description="channels of the supernet's last convolution")
    reach: Count = Field(10, description="how far ahead a block connects")
    stem_stride: Count = Field(2, description="of the supernet's stem, on point tasks")
    temperature: Positive = Field(0.9, description="of the softmax over a block's successors")
    cost_in_1d: bool = Field(False, description="whether convolutions of 1-D supernets cost anything; published: no")

    @model_validator(mode="after")
    def _different_widths(self) -> Self:
        widths = [self.stem, *(width for stage in self.stages for width in stage.channels)]
        if len(set(widths)) < len(widths):
            raise ValueError(f"the blocks' channels {widths} name one twice; make them all different")
        return self


SPEC = SpaceSpec(
    name="densenas",
    settings=DenseNasSettings,
    capabilities=frozenset({Capability.SUPERNET, Capability.SAMPLED_SUPERNET}),
)
