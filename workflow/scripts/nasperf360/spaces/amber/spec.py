"""The ``amber`` space to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Amount, Count, Positive, Settings, Several
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec


class AmberSettings(Settings):
    """Of AMBER."""

    depth: Several = Field(12, description="layers")
    search_width: Count = Field(32, description="channels of the first block of the shared network")
    search_hidden: Count = Field(925, description="units of the shared network's fully connected layer")
    width: Count = Field(
        64, description="channels of the first block of the final network; doubled in each further one"
    )
    hidden: Count = Field(100, description="units of the final network's fully connected layer")
    max_norm: Positive = Field(
        0.9, description="largest norm along their positions of the final network's kernels, but of 1x1 convolutions"
    )
    l2: Amount = Field(5e-7, description="times the sum of squares of those kernels, added to the loss")


SPEC = SpaceSpec(
    name="amber",
    settings=AmberSettings,
    capabilities=frozenset({Capability.SHARED_LAYERS}),
    serves=lambda dimensions, dense: dimensions == 1 and not dense,
)
