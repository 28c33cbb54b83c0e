"""PSICOV, distances between the residues of a protein from features of its sequence, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.option_kinds import CountRange
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

PAD = 5  # pairs of residues around a map


class SimulateSettings(Settings):
    """Of the simulated proteins."""

    deepcov: Count = Field(3456, description="proteins to train and validate")
    psicov: Count = Field(150, description="proteins to test")
    length: CountRange = Field([50, 266], description="fewest and most residues")


class PreprocessSettings(Settings):
    """Of the samples."""

    crop: Count = Field(128, description="side of the crops for training and validation, in residues; as published")
    test_size: Count = Field(512, description="side of the test maps; a protein and 5 on each side must fit")
    valid: Count = Field(100, description="proteins of deepcov that validate, the first; as published")


SPEC = TaskSpec(
    name="psicov",
    dimensions=2,
    kind="dense",
    outputs=1,
    metric=Metric("MAE8", higher_is_better=False),
    raw="psicov",
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
)
