"""What a task is to the workflow, the search spaces and the tables: shapes, metric, options. Nothing heavy here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nasperf360.registry import has_room, spec
from nasperf360.settings.declaration import NoSettings, Settings


@dataclass(frozen=True)
class Metric:
    """The number of the paper's Table 2, in its units."""

    name: str  # as in config/reference.csv: "0-1 error %", "relative l2", "MAE8", "FNR %", "mAP", "F1", "AUROC"
    higher_is_better: bool


@dataclass(frozen=True)
class Signature:
    """All that a search space may know of a task."""

    dimensions: Literal[1, 2]
    dense: bool
    input_shape: tuple[int, ...]  # (channels, length) or (channels, height, width), after TaskTraining.inputs
    outputs: int  # classes, labels, or channels per pixel


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task. ``tasks/<name>/spec.py`` defines one as ``SPEC``.

    Args:
        name: of its folder.
        dimensions: of a sample without its channels.
        kind: one output vector per sample, or one per pixel.
        outputs: classes, labels, or channels per pixel.
        metric: name and direction; ``metric.py`` computes it.
        raw: the task whose raw files it reads: itself, but cifar100 for spherical.
        multi_label: several binary labels per sample.
        merge_valid: whether the final number trains on train + valid.
        one_per_group: an epoch visits one random sample of each group (FSD50K: chunk of a clip).
        preprocess: options of ``data.py``.
        simulate: options of ``simulator.py``; None where there is none.
        switches: of ``training.py``, which searches and trainings set as ``task``.
        file_options: what a file of a role may say in the sources file as ``options``; the others nothing.
    """

    name: str
    dimensions: Literal[1, 2]
    kind: Literal["point", "dense"]
    outputs: int
    metric: Metric
    raw: str
    multi_label: bool = False
    merge_valid: bool = True
    one_per_group: bool = False
    preprocess: type[Settings] = NoSettings
    simulate: type[Settings] | None = NoSettings
    switches: type[Settings] = NoSettings
    file_options: Mapping[str, type[Settings]] = field(default_factory=dict)

    @property
    def dense(self) -> bool:
        """Whether there is an output per pixel."""
        return self.kind == "dense"

    @property
    def classes(self) -> int:
        """How many values a label takes, where ``y`` is of whole numbers; targets of a regression are real ones."""
        return 2 if self.multi_label or self.outputs == 1 else self.outputs

    def signature(self, input_shape: tuple[int, ...] = ()) -> Signature:
        """What a search space may know; the shape of inputs lies in data that need not exist yet."""
        return Signature(self.dimensions, self.dense, input_shape, self.outputs)


def label_classes(task: str) -> int | None:
    """:attr:`TaskSpec.classes` of a task; None where there is no task of that name."""
    return task_spec(task).classes if has_room("tasks", task, "spec") else None


def task_spec(name: str) -> TaskSpec:
    """The spec of the task of that name; only ``spec.py`` of its folder is imported."""
    return spec("tasks", name, TaskSpec)
