"""Settings of training, shared by retraining and by every search that trains weights."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nasperf360.settings.declaration import Amount, Count, Fraction, Fractions, Pair, Positive, Settings, Whole

Precision = Literal["float32", "tf32", "bfloat16", "float16"]
"""``tf32`` is float32 but for the inputs of products and convolutions on a GPU, of which it reads 10 bits."""


class Constant(Settings):
    """The learning rate stays."""

    name: Literal["constant"]
    horizon: Positive | None = Field(None, description="epochs that the schedule spans; those of the training if null")


class Step(Settings):
    """Times ``factor`` from each fraction of the epochs in ``at`` on."""

    name: Literal["step"]
    factor: Positive = Field(description="of each drop")
    at: Fractions = Field(description="fractions of the epochs after which the rate drops")
    horizon: Positive | None = Field(None, description="epochs that the schedule spans; those of the training if null")


class Cosine(Settings):
    """Half a cosine wave over the epochs, down to ``final``."""

    name: Literal["cosine"]
    final: Amount = Field(0.0, description="the rate at the end")
    floor: Amount = Field(0.0, description="the least rate")
    per_step: bool = Field(False, description="changes with each step, else with each epoch")
    horizon: Positive | None = Field(None, description="epochs that the schedule spans; those of the training if null")


class Poly(Settings):
    """``(1 - progress) ** power`` per step, after ``warmup`` steps that rise exponentially from ``warmup_lr``."""

    name: Literal["poly"]
    power: Amount = Field(0.9, description="of the decay")
    warmup: Whole = Field(0, description="steps before the decay, whose progress counts from their end")
    warmup_lr: Positive | None = Field(None, description="rate of the first step; needed where there is a warmup")
    horizon: Positive | None = Field(None, description="epochs that the schedule spans; those of the training if null")

    @model_validator(mode="after")
    def _from_a_rate(self) -> Self:
        if self.warmup and self.warmup_lr is None:
            raise ValueError(f"warmup {self.warmup} starts from no rate; add warmup_lr")
        return self


Schedule = Annotated[Constant | Step | Cosine | Poly, Field(discriminator="name")]


class OptimizerSettings(Settings):
    """Of ``optimizers.make_optimizer``."""

    optimizer: Literal["sgd", "adam"] = Field("sgd", description="SGD or Adam")
    lr: Positive = Field(description="learning rate, before the schedule")
    momentum: Fraction = Field(0.0, description="of SGD")
    nesterov: bool = Field(False, description="Nesterov's momentum, of SGD")
    weight_decay: Amount = Field(0.0, description="added to the gradient, times the weight")
    betas: Pair = Field([0.9, 0.999], description="of Adam")
    eps: Positive = Field(1e-8, description="of Adam: added to the root of the second moment")
    eps_uncorrected: bool = Field(False, description="of Adam: before that moment's correction, as in TensorFlow")


class BatchSettings(Settings):
    """Of forward passes of batches."""

    batch_size: Count = Field(description="samples per step")
    precision: Precision | None = Field(None, description="of the forward pass; the study's where null")
    task: dict[str, Any] = Field({}, description="switches of the task's training")


class StepSettings(OptimizerSettings, BatchSettings):
    """Of epochs of weight steps."""

    epochs: Count = Field(description="passes through the training data")
    schedule: Schedule = Field(description="of the learning rate")
    clip: Amount | None = Field(None, description="largest norm of the gradient; 0 or null: any")


class PredictionSettings(BatchSettings):
    """Of ``fitting.predict``."""

    test_batch_size: Count | None = Field(None, description="samples per batch of a test; batch_size where null")


class TrainingSettings(StepSettings, PredictionSettings):
    """Of ``fitting.fit`` and ``fitting.predict``."""


class RetrainSettings(TrainingSettings):
    """Of the training of the architecture that was found."""

    validate_every: Whole = Field(
        0,
        description="the loss on the validation split after every so many epochs, 0: never; it changes no other "
        "number. Only on tasks whose validation split is no part of the final training: fsd50k and deepsea",
    )

    def of_trials(self) -> dict[str, Any]:
        """What trials of a search take from it: they are validated as the search says."""
        return {name: value for name, value in self.params().items() if name != "validate_every"}
