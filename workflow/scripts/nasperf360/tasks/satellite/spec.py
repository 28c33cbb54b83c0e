"""Satellite, land cover from one year of vegetation index (NDVI) per pixel, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

DATES = 46
CLASSES = 24  # the paper's text says 46, which is the length


class SimulateSettings(Settings):
    """Of the simulated series."""

    train: Count = Field(900_000, description="rows")
    test: Count = Field(100_000, description="rows")


SPEC = TaskSpec(
    name="satellite",
    dimensions=1,
    kind="point",
    outputs=CLASSES,
    metric=Metric("0-1 error %", higher_is_better=False),
    raw="satellite",
    simulate=SimulateSettings,
)
