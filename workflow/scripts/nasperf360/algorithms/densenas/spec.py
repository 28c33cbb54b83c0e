"""The ``densenas`` algorithm to the workflow."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.algorithms.shared.supernet_settings import ValidatedSettings, check_warmup
from nasperf360.settings.declaration import Amount, Whole
from nasperf360.spaces.shared.space_spec import Capability
from nasperf360.training.settings import OptimizerSettings, StepSettings


class DenseNasSettings(StepSettings, ValidatedSettings):
    """Of DenseNAS; weight steps take four times ``batch_size``, as they have four times the data."""

    warmup_epochs: Whole = Field(description="epochs before the first architecture step")
    architecture: OptimizerSettings = Field(description="of the architecture parameters")
    cost_weight: Amount = Field(description="of the penalty, the logarithm of the expected multiply-adds in millions")
    cost_base: Annotated[float, Field(gt=1)] = Field(description="of that logarithm")

    @model_validator(mode="after")
    def _some_architecture_steps(self) -> Self:
        check_warmup("warmup_epochs", self.warmup_epochs, self.epochs)
        return self


SPEC = AlgorithmSpec(name="densenas", settings=DenseNasSettings, needs=frozenset({Capability.SAMPLED_SUPERNET}))
