"""What holds of every task's folder: what its files load, and what its spec and labels say."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nasperf360 import labels
from nasperf360.registry import has_room, names
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.tasks.shared.task_training import TaskTraining, task_training

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
TASKS = names("tasks")


def loaded_by(*files: str, tasks: Sequence[str] = TASKS) -> set[str]:
    """Packages that a fresh process holds once it has loaded these files of every task, or of some."""
    modules = [f"nasperf360.tasks.{task}.{file}" for task in tasks for file in files if has_room("tasks", task, file)]
    program = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_specs_and_labels_load_nothing_heavy() -> None:
    assert not {"numpy", "scipy", "h5py", "torch"} & loaded_by("spec", "labels")


def test_metrics_load_numpy_and_rankings_scikit_learn() -> None:
    loaded = loaded_by("metric", "further_scores")
    assert {"numpy", "sklearn"} <= loaded
    assert not {"h5py", "torch"} & loaded
    others = loaded_by("metric", "further_scores", tasks=[task for task in TASKS if task not in ("deepsea", "fsd50k")])
    assert not {"scipy", "sklearn"} & others


def test_preprocessing_and_simulators_load_no_torch() -> None:
    assert "torch" not in loaded_by("data", "simulator")


@pytest.mark.parametrize("task", TASKS)
def test_folder_spec_and_labels_agree(task: str) -> None:
    spec = task_spec(task)
    assert spec.name == task
    assert task_spec(spec.raw).simulate is not None
    assert has_room("tasks", task, "simulator") == (spec.simulate is not None)
    assert labels.task_label(task) != task
    assert labels.objective(task)
    assert labels.published_size(task)
    training = task_training(task)
    assert isinstance(training, TaskTraining)
    assert training.spec is spec
    for model in (spec.preprocess, spec.switches, *([spec.simulate] if spec.simulate else [])):
        assert model.model_validate(model().params()) == model()  # every default is of its kind and in its range
        assert all(field.description for field in model.model_fields.values())
