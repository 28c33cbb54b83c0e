"""Settings that searches share whose trials train as retraining does. No torch here."""

from typing import Any

from pydantic import Field

from nasperf360.settings.declaration import Count, Settings, overrides
from nasperf360.training.settings import TrainingSettings


class TrainingOverrides(overrides(TrainingSettings)):  # type: ignore[misc]
    """Settings of retraining that are others in trials."""


class TrialSettings(Settings):
    """Of a search by trials."""

    trials: Count = Field(description="architectures that are drawn and trained")
    training: TrainingOverrides = Field(
        TrainingOverrides(), description="settings of retraining that are others in trials"
    )
    task: dict[str, Any] = Field({}, description="switches of the task's training")
