"""CIFAR-100, natural images of 100 classes, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Amount, Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec


class SimulateSettings(Settings):
    """Of the simulated images."""

    train: Count = Field(50_000, description="images")
    test: Count = Field(10_000, description="images")
    classes: Count = Field(100, description="how many of the 100 occur, spread evenly")
    noise: Amount = Field(0.08, description="standard deviation of the noise, in units of the full range")


class Switches(Settings):
    """Of the augmentation."""

    cutout: bool = Field(True, description="blank a square: retraining does, the search of GAEA does not")


SPEC = TaskSpec(
    name="cifar100",
    dimensions=2,
    kind="point",
    outputs=100,
    metric=Metric("0-1 error %", higher_is_better=False),
    raw="cifar100",
    simulate=SimulateSettings,
    switches=Switches,
)
