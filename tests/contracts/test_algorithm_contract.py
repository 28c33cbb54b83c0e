"""What every search algorithm has to fulfil, one's own too: its folder is found by its name, see ``demo.py``.

On the first space of those that it can serve, with the settings of the demo, on a task that notes what it is asked for.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from demo import config

import synthetic
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, SearchResult, run_search
from nasperf360.registry import names
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training.checkpoints import Checkpoint
from recorded import CPU, RecordedTask, recorded

KIND = {1: "satellite", 2: "ninapro"}
SAMPLES = {"train": 32, "valid": 16, "test": 16}
FEW = {"batch_size": 6, "child_steps": 2, "samples": 3, "controller_epochs": 2, "max_samples": 12}


def first_space(algorithm: str) -> tuple[str, int]:
    """The first space that it serves, and dimensions of point tasks that this space is for."""
    for dimensions in (1, 2):
        for name in ("wrn", *names("spaces")):
            spec = space_spec(name)
            if algorithm_spec(algorithm).refuse(spec) is None and spec.serves(dimensions, False):
                return name, dimensions
    raise AssertionError(f"no space has all that algorithm '{algorithm}' needs, for point tasks")


class LearningTask(RecordedTask):
    """Tells the samples that something is learned of, by a gradient, from those whose loss is but looked at."""

    def __init__(self, dimensions: int):
        super().__init__(dimensions)
        self.learned, self.looked_at = set[int](), set[int]()

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        (self.learned if output.requires_grad else self.looked_at).update(batch["number"].tolist())
        return super().loss(output, batch)


@dataclass
class Found:
    """What a search returned, and the samples that it trained on, looked at and predicted."""

    result: SearchResult
    trained: set[int] = field(default_factory=set)
    looked_at: set[int] = field(default_factory=set)
    predicted: set[int] = field(default_factory=set)
    fitted: list[str] = field(default_factory=list)


def search(algorithm: str, folder: Path, seed: int) -> tuple[Any, Found]:
    """The space, and what a search of it found."""
    space_name, dimensions = first_space(algorithm)
    method, task = f"{space_name}-{algorithm}", KIND[dimensions]
    folder.mkdir()
    data = recorded(folder, SAMPLES, dimensions)
    data.task = learning = LearningTask(dimensions)
    resolved = config(task, method)
    space = search_space(space_name, data.signature, configuration.space_settings(resolved, task, method))
    of_search = configuration.search_settings(resolved, task, method)
    spec = algorithm_spec(algorithm)
    given = of_search["search"]
    given = {**given, **{name: value for name, value in FEW.items() if name in given}}
    settings = spec.settings.model_validate(given)
    training = {**of_search["retrain"], **given["training"], "batch_size": 8} if "retrain" in of_search else {}
    problem = Problem(
        task=data.task,
        dataset=data.dataset,
        settings=settings,
        trial_training=training,
        metric=synthetic.metric if spec.ranks_by_metric(settings) else None,
        seed=seed,
        device=CPU,
        checkpoint=Checkpoint(folder / "checkpoint", {"seed": seed}),
        label=method,
    )
    result = run_search(algorithm, space, problem)
    predicted = {int(number) for batch in data.task.predicted for number in batch}
    return space, Found(result, learning.learned, learning.looked_at, predicted, learning.fitted)


@pytest.mark.parametrize("algorithm", names("algorithms"))
def test_a_search_finds_an_architecture_of_its_space_by_its_seed_on_the_tuning_splits(algorithm, tmp_path):
    spec = algorithm_spec(algorithm)
    assert spec.name == algorithm
    torch.manual_seed(1)
    space, first = search(algorithm, tmp_path / "first", 0)
    space.check(json.loads(json.dumps(first.result.architecture)))
    assert bool(first.result.history) == spec.trains == bool(first.trained)
    # Weights and architectures see training samples alone; scores are of validation; nothing is of the test.
    assert first.trained <= set(range(SAMPLES["train"]))
    assert first.predicted | first.looked_at <= set(range(1000, 1000 + SAMPLES["valid"]))
    if spec.ranks_by_metric(spec.settings.model_construct(reward="metric")):
        assert len(first.predicted) == SAMPLES["valid"]
    assert all(name.startswith("train") for name in first.fitted)
    assert bool(first.fitted) == spec.trains
    if not spec.trains:
        return
    torch.manual_seed(2)  # nor does it rest on what ran before in the process
    _, again = search(algorithm, tmp_path / "again", 0)
    assert again.result == first.result
    _, other = search(algorithm, tmp_path / "other", 1)
    assert other.result != first.result


def test_the_tasks_that_settings_are_taken_of_are_point_tasks():
    assert all(
        task_spec(task).dimensions == dimensions and not task_spec(task).dense for dimensions, task in KIND.items()
    )
