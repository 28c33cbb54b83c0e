"""The ``darts`` space to the workflow."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from nasperf360.errors import UserError
from nasperf360.settings.declaration import Chance, Count, Fraction, Positive, Settings
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec
from nasperf360.tasks.shared.task_spec import Signature


class DartsSearch(Settings):
    """Of the supernet."""

    width: Count = Field(16, description="channels per node of the first cells; doubled by each reduction")
    depth: Count = Field(8, description="cells, at least 3")
    partial: Count = Field(4, description="one in so many channels goes through the operations; 1: all (first DARTS)")
    implementation: Literal["grouped", "plain"] = Field(
        "grouped", description="of the cells: few large calls, or one per operation and edge, with the same numbers"
    )
    stem_stride: Count = Field(1, description="of the first convolution, on point tasks; 2: at half the resolution")

    @field_validator("depth")
    @classmethod
    def _both_kinds_of_cells(cls, depth: int) -> int:
        if depth < 3:
            raise ValueError("it must be at least 3 to hold both kinds of cells")
        return depth

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.width % (2 * self.partial):
            raise ValueError(f"width {self.width}; it must be a multiple of {2 * self.partial} (2 * partial)")
        return self


class DartsNorm(Settings):
    """Of batch normalisation; by default torch's."""

    momentum: Fraction = Field(0.1, description="weight of the last batch in the running statistics")
    eps: Positive = Field(1e-5, description="added to the variance")


class DartsEvaluation(Settings):
    """Of the network that is trained from scratch."""

    width: Count = Field(36, description="channels per node of the first cells; doubled by each reduction")
    depth: Count = Field(20, description="cells")
    stem_stride: Count = Field(1, description="of the first convolution, on point tasks; 2: at half the resolution")
    drop_path: Chance = Field(0.0, description="probability at the end of a ramp from 0")
    drop_path_epochs: Count | None = Field(None, description="epochs of the ramp; as many as are trained if null")
    norm: DartsNorm = Field(DartsNorm(), description="batch normalisation in the cells")
    norm_operations: bool = Field(True, description="whether `norm` also holds inside operations, not of inputs alone")


class DartsSettings(Settings):
    """Of DARTS with partial channels (PC-DARTS)."""

    search: DartsSearch = Field(DartsSearch(), description="of the supernet")
    evaluation: DartsEvaluation = Field(DartsEvaluation(), description="of the network trained from scratch")


def check(settings: DartsSettings, signature: Signature) -> None:
    """Refuse a stride in networks of dense tasks."""
    strides = {"search": settings.search.stem_stride, "evaluation": settings.evaluation.stem_stride}
    for network, stride in strides.items():
        if signature.dense and stride != 1:
            raise UserError(
                f"spaces.darts: {network} stem_stride {stride}; networks of dense tasks keep the size, it must be 1"
            )


SPEC = SpaceSpec(name="darts", settings=DartsSettings, capabilities=frozenset({Capability.SUPERNET}), check=check)
