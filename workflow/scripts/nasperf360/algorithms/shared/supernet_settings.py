"""Settings of searches on a supernet. No torch here."""

from typing import Literal, Self

from pydantic import Field, model_validator

from nasperf360.settings.declaration import Count, Positive, Settings, Whole
from nasperf360.training.settings import StepSettings


class ValidatedSettings(Settings):
    """Of a search that looks at the validation split, and takes nothing from it."""

    validate_every: Whole = Field(
        1,
        description="the supernet's loss on the validation split after every so many epochs, 0: never; it changes no "
        "other number",
    )


class BilevelSettings(StepSettings, ValidatedSettings):
    """Of a search that learns weights and architecture parameters in turns."""

    architecture_lr: Positive = Field(description="learning rate of the architecture parameters")
    architecture_after: Whole = Field(0, description="epochs before the first architecture step")
    split: Literal["halves", "same"] = Field(
        "halves",
        description="one half of the training data for weights and the other for the architecture, or all for both",
    )
    max_samples: Count | None = Field(None, description="search on so many random training samples; on all if null")

    @model_validator(mode="after")
    def _some_architecture_steps(self) -> Self:
        check_warmup("architecture_after", self.architecture_after, self.epochs)
        return self


def check_warmup(name: str, before: int, epochs: int) -> None:
    """Refuse a search that ends before its first architecture step.

    Args:
        name: of the setting that counts the epochs before it.
        before: its value.
        epochs: of the search.

    Raises:
        ValueError: names the setting.
    """
    if before >= epochs:
        raise ValueError(
            f"{name} {before} of {epochs} epochs leaves no architecture step; lower {name} or raise epochs"
        )
