"""Cosmic, cosmic-ray hits in Hubble images of resolved galaxies, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

FILTER = "f435w"
GALAXIES = (
    "10760_2",
    "10760_4",
    "13737_2",
    "13737_3",
    "9490_a3",
    "12513_2",
    "12513_3",
    "10182_pb",
    "10182_pd",
    "10584_13",
    "10342_3",
    "14343_1",
    "13057_1",
    "10260_7",
    "10260_5",
    "10407_3",
    "13364_95",
    "10190_28",
    "10190_13",
    "9490_a2",
    "13691_11",
    "12058_12",
    "12058_16",
    "12058_1",
    "12058_6",
    "14704_1",
    "13804_6",
)
"""Fields (proposal_visit) of type GAL, resolved galaxies (reference code, backbone/data_utils/cosmic_dataset.py)."""


class SimulateSettings(Settings):
    """Of the simulated tiles."""

    train: Count = Field(4830, description="tiles")
    test: Count = Field(420, description="tiles")
    tile: Count = Field(256, description="side in pixels")
    ray_width: Count = Field(1, description="pixels across the track of a cosmic ray")


class PreprocessSettings(Settings):
    """Of the samples."""

    crop: Count = Field(128, description="side of the centre of a tile that is taken, in pixels; as published")


SPEC = TaskSpec(
    name="cosmic",
    dimensions=2,
    kind="dense",
    outputs=1,
    metric=Metric("FNR %", higher_is_better=False),
    raw="cosmic",
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
)
