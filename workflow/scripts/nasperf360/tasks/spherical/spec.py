"""Spherical, CIFAR-100 images projected onto randomly rotated spheres, to the workflow."""

from pydantic import Field

from nasperf360.settings.declaration import Count, Settings
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec


class PreprocessSettings(Settings):
    """Of the projection."""

    bandwidth: Count = Field(30, description="b: grids of 2 b x 2 b points")
    images_per_rotation: Count = Field(
        500, description="so many consecutive images of a raw file share one random rotation; published: 500"
    )


SPEC = TaskSpec(
    name="spherical",
    dimensions=2,
    kind="point",
    outputs=100,
    metric=Metric("0-1 error %", higher_is_better=False),
    raw="cifar100",
    preprocess=PreprocessSettings,
    simulate=None,
)
