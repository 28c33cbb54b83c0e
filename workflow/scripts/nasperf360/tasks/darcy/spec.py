"""Darcy Flow, pressure of a steady flow through a two-valued medium, to the workflow."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from annotated_types import Len
from pydantic import Field, model_validator

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.option_kinds import Rows
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


class SolutionsOptions(Settings):
    """Of a file of solutions, in the sources file."""

    rows: Annotated[dict[Literal["train", "valid", "test"], Rows], Len(1)] = Field(
        description="the rows that make each split: the first, and one past the last"
    )
    stride: Count = Field(5, description="every so many points are taken, in both directions")

    @model_validator(mode="after")
    def _rows_of_one_split(self) -> Self:
        ordered = sorted((rows, split) for split, rows in self.rows.items())
        for (before, first), (after, second) in pairwise(ordered):
            if after[0] < before[1]:
                raise ValueError(f"the rows of {first} and {second} overlap; give each row to one split")
        return self


SPEC = TaskSpec(
    name="darcy",
    dimensions=2,
    kind="dense",
    outputs=1,
    metric=Metric("relative l2", higher_is_better=False),
    raw="darcy",
    simulate=SimulateSettings,
    file_options={"solutions": SolutionsOptions},
)
