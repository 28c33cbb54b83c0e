"""Darcy Flow, pressure of a steady flow through a two-valued medium, to the workflow."""

from typing import Self

from pydantic import Field, model_validator

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec


class SimulateSettings(Settings):
    """Of the solver."""

    resolution: Count = Field(421, description="points a side, R; R - 1 is a multiple of `stride`")
    stride: Count = Field(5, description="every so many points are kept, in both directions")
    train: Count = Field(900, description="solutions")
    valid: Count = Field(100, description="solutions")
    test: Count = Field(100, description="solutions")

    @model_validator(mode="after")
    def _grid_of_strides(self) -> Self:
        if (self.resolution - 1) % self.stride:
            raise ValueError(
                f"resolution {self.resolution} less one is no multiple of stride {self.stride}; change one of them"
            )
        return self


SPEC = TaskSpec(
    name="darcy",
    dimensions=2,
    kind="dense",
    outputs=1,
    metric=Metric("relative l2", higher_is_better=False),
    raw="darcy",
    simulate=SimulateSettings,
)
