"""ECG, rhythms from single-lead recordings of the PhysioNet/CinC Challenge 2017, to the workflow."""

from typing import Annotated

from annotated_types import Len
from pydantic import Field

from nasperf360.settings.declaration import Count, Settings, Whole
from nasperf360.tasks.shared.option_kinds import PositiveRange
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

LABELS = ("N", "A", "O", "~")  # normal, atrial fibrillation, other rhythm, noise


class SimulateSettings(Settings):
    """Of the simulated records."""

    counts: Annotated[list[Whole], Len(len(LABELS), len(LABELS))] = Field(
        [5076, 758, 2415, 279], description="records of the classes N, A, O, ~"
    )
    seconds: PositiveRange = Field([9.0, 61.0], description="shortest and longest record")


class PreprocessSettings(Settings):
    """Of the windows."""

    window: Count = Field(1000, description="samples: 3.33 s at 300 Hz; as published")
    stride: Count = Field(500, description="samples between windows of class N; fewer for rare classes")


SPEC = TaskSpec(
    name="ecg",
    dimensions=1,
    kind="point",
    outputs=len(LABELS),
    metric=Metric("F1", higher_is_better=True),
    raw="ecg",
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
)
