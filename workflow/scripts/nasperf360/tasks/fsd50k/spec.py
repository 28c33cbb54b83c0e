"""FSD50K, sounds of Freesound with several of 200 labels each, to the workflow."""

from typing import Literal

from pydantic import Field

from nasperf360.settings.declaration import Amount, Count, Settings
from nasperf360.tasks.shared.option_kinds import PositiveRange
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

LABELS, RAW_RATE = 200, 44_100  # Hz


class SimulateSettings(Settings):
    """Of the simulated sounds."""

    train: Count = Field(36_796, description="clips")
    valid: Count = Field(4170, description="clips")
    test: Count = Field(10_231, description="clips")
    seconds: PositiveRange = Field([0.3, 15.0], description="shortest and longest clip; lengths are uniform between")
    second_sound: Amount = Field(0.25, description="probability that a clip has two sounds")
    noise: Amount = Field(0.1, description="background noise, as a share of a sound's amplitude")
    present: Amount = Field(0.7, description="probability that a clip has a given label of its kind")


class PreprocessSettings(Settings):
    """Of the patches."""

    n_mels: Count = Field(96, description="mel bands; as published")
    hop: Count = Field(220, description="samples between frames at 22,050 Hz; as published")
    mel_scale: Literal["htk", "slaney"] = Field(
        "htk", description="bands of height one, torchaudio's, as published, or of area one, librosa's"
    )


class Switches(Settings):
    """Of the augmentation."""

    noise: bool | None = Field(
        None,
        description="mix background noise into three patches of four, as published; null: where the data have "
        "some, which only source benchmark does",
    )


SPEC = TaskSpec(
    name="fsd50k",
    dimensions=2,
    kind="point",
    outputs=LABELS,
    metric=Metric("mAP", higher_is_better=True),
    raw="fsd50k",
    multi_label=True,
    merge_valid=False,
    one_per_group=True,
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
    switches=Switches,
)
