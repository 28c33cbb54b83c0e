"""The ``amber`` space to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Count, Positive, Settings, Several
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
    max_norm: Positive = Field(0.9, description="largest norm of the final network's kernels along their positions")


SPEC = SpaceSpec(
    name="amber",
    settings=AmberSettings,
    capabilities=frozenset({Capability.SHARED_LAYERS}),
    serves=lambda dimensions, dense: dimensions == 1 and not dense,
)
