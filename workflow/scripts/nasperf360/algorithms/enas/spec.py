"""The ``enas`` algorithm to the workflow."""

from typing import Literal

from pydantic import Field

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.settings.declaration import Amount, Chance, Count, Positive, Share, Whole
from nasperf360.spaces.shared.space_spec import Capability
from nasperf360.training.settings import OptimizerSettings, PredictionSettings


class EnasSettings(OptimizerSettings, PredictionSettings):
    """Of ENAS; optimiser and batches are those of the shared weights, one fresh architecture per batch.

    ``eps`` and ``eps_uncorrected`` are the controller's as well.
    """

    episodes: Count = Field(description="each trains the shared weights, rewards architectures, updates the controller")
    warmup_epochs: Whole = Field(description="epochs of the shared weights before the first episode")
    child_steps: Count = Field(description="steps of the shared weights per episode")
    dropout: Chance = Field(0.1, description="share of values that training the shared weights drops after each layer")
    dropout_after_warmup: bool = Field(True, description="in the episodes too; false is as published, by an accident")
    validation_statistics: bool = Field(
        False,
        description="before rewards, running statistics of batch normalisation move to those of the validation split; "
        "true is as published, by an accident",
    )
    samples: Count = Field(description="architectures that are rewarded per episode")
    controller_epochs: Count = Field(description="passes of the controller over an episode's architectures")
    controller_batch: Count = Field(description="architectures per step of the controller")
    controller_lr: Positive = Field(description="learning rate of Adam on the controller")
    skip_target: Share = Field(description="rate of skips that a penalty draws the controller to")
    skip_weight: Amount = Field(description="of that penalty")
    skip_penalty: Literal["sampled", "published"] = Field(
        "sampled",
        description="rate that it sees: of sampling, sigmoid(2 t), or, as published by an accident, sigmoid(t), which "
        "draws to 0.308 where the target is 0.4",
    )
    reward: Literal["auroc", "metric"] = Field(
        description="on the validation split: mean one-against-rest AUROC, or the task's metric"
    )


SPEC = AlgorithmSpec(
    name="enas",
    settings=EnasSettings,
    needs=frozenset({Capability.SHARED_LAYERS}),
    ranks_by_metric=lambda settings: settings.reward == "metric",
)
