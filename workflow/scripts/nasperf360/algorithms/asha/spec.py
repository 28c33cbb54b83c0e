"""The ``asha`` algorithm to the workflow."""

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.algorithms.shared.trial_settings import TrialSettings
from nasperf360.settings.declaration import Count, Several


def rung_epochs(min_epochs: int, reduction_factor: int, rungs: int, max_epochs: int) -> list[int]:
    """Epochs at which a trial is compared with the others, the last being the end, e.g. 12, 48, 200 for three rungs."""
    return [*(min_epochs * reduction_factor**rung for rung in range(rungs - 1)), max_epochs]


class AshaSettings(TrialSettings):
    """Of asynchronous successive halving."""

    reduction_factor: Several = Field(description="one in so many trials goes on at a rung")
    min_epochs: Count = Field(description="of the first rung")
    rungs: Count = Field(description="how many; each but the last is at `reduction_factor` times the epochs before")
    max_epochs: Count = Field(description="of the last rung, the end of a trial")
    workers: Count = Field(
        1, description="jobs that share the trials of a search (docs/cluster.md); of several the order is not fixed"
    )

    @property
    def rung_epochs(self) -> list[int]:
        """Epochs of each rung."""
        return rung_epochs(self.min_epochs, self.reduction_factor, self.rungs, self.max_epochs)

    @model_validator(mode="after")
    def _no_idle_workers(self) -> Self:
        if self.workers > self.trials:
            raise ValueError(f"workers {self.workers} have only {self.trials} trials to share; lower workers")
        return self

    @model_validator(mode="after")
    def _ascending_rungs(self) -> Self:
        epochs = self.rung_epochs
        if any(after <= before for before, after in pairwise(epochs)):
            raise ValueError(
                f"rungs {self.rungs} would be at {', '.join(map(str, epochs))} epochs, each must be later than the one "
                f"before; lower rungs, min_epochs or reduction_factor, or raise max_epochs"
            )
        return self


SPEC = AlgorithmSpec(name="asha", settings=AshaSettings, trains_trials=True, ranks_by_metric=lambda settings: True)
