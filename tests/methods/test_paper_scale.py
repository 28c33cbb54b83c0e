"""Each of the paper's 56 experiments at paper-scale settings: one search step, one retrain step on the true shapes.

Nothing here is smaller than in the study but the number of samples, of steps and of trials, and the batches.
"""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study import study
from true_shapes import SHAPES, write

from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.settings.declaration import Settings
from nasperf360.spaces.shared.search_space import HasSharedLayers, HasSupernet, SearchSpace, search_space
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.study import configuration
from nasperf360.tasks.shared.metrics import task_metric
from nasperf360.tasks.shared.task_training import task_training
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, setup_torch
from nasperf360.training.settings import RetrainSettings

pytestmark = pytest.mark.slow

GENERAL = ("wrn-default", "wrn-asha", "densenas-original", "densenas-random", "darts-gaea")
DENSE, ONE_DIMENSIONAL = ("darcy", "psicov", "cosmic"), ("ecg", "satellite", "deepsea")
EXPERIMENTS = [
    *((method, task) for method in GENERAL for task in SHAPES),
    *(("autodl-darts", task) for task in DENSE),
    *(("amber-enas", task) for task in ONE_DIMENSIONAL),
]
BATCH = 2
MEMORY = 12 << 30  # bytes; the largest step has to leave room beside it on a laptop
CPU = torch.device("cpu")

# One step of each algorithm: what is not named here is as in the study.
ONE_STEP: dict[str, dict[str, Any]] = {
    "default": {},
    "asha": {"trials": 1, "rungs": 1, "min_epochs": 1, "max_epochs": 1, "training": {"batch_size": BATCH}},
    "random": {"trials": 1, "epochs": 1, "training": {"batch_size": BATCH}},
    "densenas": {"epochs": 1, "warmup_epochs": 0, "batch_size": BATCH},
    "gaea": {"epochs": 1, "architecture_after": 0, "batch_size": BATCH},
    "darts": {"epochs": 1, "architecture_after": 0, "batch_size": BATCH},
    "enas": {
        "episodes": 1,
        "warmup_epochs": 0,
        "child_steps": 1,
        "batch_size": BATCH,
        "samples": 2,
        "controller_epochs": 1,
        "controller_batch": 2,
    },
}


def train_samples(algorithm: str, settings: Any) -> int:
    """As many as one step takes, and no fewer than normalisation needs."""
    if algorithm == "densenas":
        return 5 * settings.batch_size  # four parts for the weights, one for the architecture
    if algorithm in ("gaea", "darts") and settings.split == "halves":
        return 2 * BATCH
    return BATCH


class Watched:
    """A network made by a space, and what it was before training."""

    def __init__(self, network: Any):
        self.network = network
        self.before = {name: value.detach().clone() for name, value in network.named_parameters()}
        self.shapes: set[tuple[int, ...]] = set()
        network.register_forward_hook(lambda _, __, output: self.shapes.add(tuple(output.shape[1:])))

    def changed(self) -> list[str]:
        """Names of the parameters that are no longer what they were; asserts that all are finite."""
        now = dict(self.network.named_parameters())
        for name, value in now.items():
            assert torch.isfinite(value).all(), name
            assert value.grad is None or torch.isfinite(value.grad).all(), name
        return [name for name, value in self.before.items() if not torch.equal(value, now[name])]


def watch(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """Every network that the space makes from now on."""
    made: list[Watched] = []

    def watching(make: Any) -> Any:
        def wrapper(*arguments: Any) -> Any:
            made.append(Watched(make(*arguments)))
            return made[-1].network

        return wrapper

    makers = ["build"]
    makers += ["supernet"] if isinstance(space, HasSupernet) else []
    makers += ["shared"] if isinstance(space, HasSharedLayers) else []
    for name in makers:
        monkeypatch.setattr(space, name, watching(getattr(space, name)))
    return made


@pytest.fixture(autouse=True)
def _as_in_a_job():
    """Deterministic algorithms, as :func:`setup_torch` asks for: an operation without one fails here too."""
    setup_torch(1, "cpu", gpu=0)
    yield
    torch.set_deterministic_debug_mode("default")


def test_the_study_has_56_experiments():
    assert len(set(EXPERIMENTS)) == 56
    config = study(scale="paper", methods=list(dict.fromkeys(method for method, _ in EXPERIMENTS)))
    assert set(configuration.experiments(config)) == {(task, method) for method, task in EXPERIMENTS}


@pytest.mark.parametrize(("method", "task_name"), EXPERIMENTS)
def test_one_step_of_an_experiment(method: str, task_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = study(scale="paper", tasks=[task_name], methods=[method])
    definition, shapes = configuration.method(config, method), SHAPES[task_name]
    algorithm = algorithm_spec(definition["algorithm"])
    of_search = configuration.search_settings(config, task_name, method)["search"]
    retrain = configuration.retrain_settings(config, task_name, method)
    task = task_training(task_name, of_search.get("task"))
    changes = dict(ONE_STEP[algorithm.name])
    if algorithm.name == "densenas" and task.spec.dense:
        changes["batch_size"] = BATCH // 2  # its weight steps take four times as many
    one_step: Settings = algorithm.settings.model_validate({**of_search, **changes})
    samples = train_samples(algorithm.name, one_step)
    dataset = write(tmp_path / "data.h5", task_name, {"train": samples, "valid": BATCH, "test": BATCH})
    signature = task.signature(dataset.split("train").shape("x"))
    assert (signature.input_shape, signature.outputs) == (shapes.inputs, shapes.outputs)
    shape = (shapes.outputs, *shapes.inputs[1:]) if task.spec.dense else (shapes.outputs,)
    space = search_space(definition["space"], signature, configuration.space_settings(config, task_name, method))
    made = watch(space, monkeypatch)

    problem = Problem(
        task=task,
        dataset=dataset,
        settings=one_step,
        trial_training={**RetrainSettings.model_validate(retrain).of_trials(), **one_step.params().get("training", {})},
        metric=task_metric(task_name) if algorithm.ranks_by_metric(one_step) else None,
        seed=1,
        device=CPU,
        checkpoint=Checkpoint(tmp_path / "checkpoint", {}, interval=1e9),
        size_limit=10**9 if "size_limit" in definition else None,
        label=f"{task_name} {method}",
    )
    found = run_search(algorithm.name, space, problem)
    space.check(found.architecture)
    if algorithm.trains:
        trained = [watched for watched in made if watched.shapes]
        assert len(trained) == 1
        check_search(trained[0], found.history, shape)
    made.clear()
    check_retraining(space, found.architecture, retrain, problem, made, shape)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY


def check_search(trained: Watched, history: list[dict[str, float]], shape: tuple[int, ...]) -> None:
    """Weights and, where there are any, architecture parameters moved."""
    assert trained.shapes == {shape}
    assert history
    changed = trained.changed()
    assert any(not name.startswith("architecture.") for name in changed)
    if isinstance(trained.network, Supernet):
        assert "architecture_loss" in history[-1]
        parameters = trained.network.architecture_parameters()
        # A choice of one option (DenseNAS' heads) is none, and stays.
        choices = [name for name, value in parameters.items() if value.shape[-1] > 1]
        assert choices
        assert not {f"architecture.{name}" for name in choices} - set(changed)
        assert all(parameters[name].std() > 0 for name in choices)  # more than a start that is equal for all


def check_retraining(
    space: SearchSpace,
    architecture: dict[str, Any],
    retrain: dict[str, Any],
    problem: Problem,
    made: list[Watched],
    shape: tuple[int, ...],
) -> None:
    """One step of the architecture found, on a batch of two, by the schedule of the whole training."""
    training = RetrainSettings.model_validate({**retrain, **space.hyperparameters(architecture), "batch_size": BATCH})
    task = task_training(problem.task.spec.name, training.task)
    train = problem.dataset.split("train").subset(np.arange(BATCH), "batch")
    task.fit(train)
    torch.manual_seed(0)
    network = space.build(architecture)
    history = fit(network, task, train, training, seed=1, device=CPU, epochs=1)
    assert len(history) == 1
    assert made[-1].shapes == {shape}
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert not without, f"never trained, but counted: {without}"
    changed = made[-1].changed()
    assert len(changed) > 0.5 * len(made[-1].before)
