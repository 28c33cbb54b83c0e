"""The ``autodl`` space to the workflow."""

from pydantic import Field, field_validator

from nasperf360.settings.declaration import Count, Pair, Settings
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec

FEWEST_LAYERS = 3  # the coarsest level is three steps from the stem; the decoder reads the third layer
LARGEST_STRIDE = 32


class AutoDeepLabSearch(Settings):
    """Of the supernet."""

    width: Count = Field(8, description="channels per node at the finest level; doubled from level to level")


class AutoDeepLabEvaluation(Settings):
    """Of the network that is trained from scratch."""

    width: Count = Field(32, description="channels per node at the finest level; doubled from level to level")
    stem: Count = Field(128, description="channels of the stem's output")
    aspp: Count = Field(256, description="channels of the ASPP and the decoder")
    low_level: Count = Field(48, description="channels that the decoder takes from the third layer")
    dropout: Pair = Field([0.5, 0.1], description="after the first and the second convolution of the decoder")


class AutoDeepLabSettings(Settings):
    """Of Auto-DeepLab."""

    layers: Count = Field(12, description="layers of cells, in the search and after; at least 3")
    pad_to: Count = Field(32, description="images are padded to a multiple of it; itself a multiple of 32")
    none: bool = Field(True, description="whether cells may hold the operation `none`; published: yes")
    slips: bool = Field(
        False,
        description="whether to repeat two slips of the published code's indices (docs/protocol.md); published: yes",
    )
    search: AutoDeepLabSearch = Field(AutoDeepLabSearch(), description="of the supernet")
    evaluation: AutoDeepLabEvaluation = Field(
        AutoDeepLabEvaluation(), description="of the network trained from scratch"
    )

    @field_validator("layers")
    @classmethod
    def _enough_layers(cls, layers: int) -> int:
        if layers < FEWEST_LAYERS:
            raise ValueError(f"it must be at least {FEWEST_LAYERS}")
        return layers

    @field_validator("pad_to")
    @classmethod
    def _multiple_of_the_stride(cls, pad_to: int) -> int:
        if pad_to % LARGEST_STRIDE:
            raise ValueError(f"it must be a multiple of {LARGEST_STRIDE}, the largest stride")
        return pad_to


SPEC = SpaceSpec(
    name="autodl",
    settings=AutoDeepLabSettings,
    capabilities=frozenset({Capability.DEFAULT, Capability.SUPERNET}),
    serves=lambda dimensions, dense: dimensions == 2 and dense,
)
