"""NinaPro DB5, gestures from the muscle signals (EMG) of two armbands with 16 electrodes, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Amount, Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

CHANNELS = 16  # electrodes
MOVEMENTS = 17  # of exercise B


class SimulateSettings(Settings):
    """Of the simulated recordings."""

    subjects: Count = Field(10, description="recordings")
    repetitions: Count = Field(6, description="of each movement")
    movement_seconds: Amount = Field(5.0, description="duration of a movement")
    rest_seconds: Amount = Field(3.0, description="duration of the rest after each movement")


class PreprocessSettings(Settings):
    """Of the windows."""

    windows: Count = Field(3956, description="how many are drawn, as equal in number from class to class as can be")


SPEC = TaskSpec(
    name="ninapro",
    dimensions=2,
    kind="point",
    outputs=MOVEMENTS + 1,  # and rest, class 0
    metric=Metric("0-1 error %", higher_is_better=False),
    raw="ninapro",
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
)
