"""Auto-DeepLab with first-order DARTS, as published, and with algorithms that the paper never tried on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, SearchResult, run_search
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, predict, setup_torch
from nasperf360.training.settings import PredictionSettings, TrainingSettings

SPACE = {
    "layers": 3, "search": {"width": 2},
    "evaluation": {"width": 4, "stem": 16, "aspp": 16, "low_level": 8, "dropout": [0.0, 0.0]},
}  # fmt: skip
TRAINING = {"epochs": 2, "batch_size": 32, "lr": 0.05, "momentum": 0.9, "schedule": {"name": "constant"}}
SETTINGS: dict[str, dict[str, Any]] = {
    "darts": {**TRAINING, "architecture_lr": 3e-3, "architecture_after": 1, "split": "same"},
    "gaea": {**TRAINING, "architecture_lr": 0.1},
    "random": {"trials": 2, "epochs": 1},
}


def search(data: synthetic.Synthetic, method: str, folder: Path, **changes: Any) -> SearchResult:
    settings = algorithm_spec(method).settings.model_validate({**SETTINGS[method], **changes})
    problem = Problem(
        data.task,
        data.dataset,
        settings,
        TRAINING,
        synthetic.metric,
        seed=0,
        device=torch.device("cpu"),
        checkpoint=Checkpoint(folder / "checkpoint", {"method": method}),
        label=method,
    )
    return run_search(method, search_space("autodl", data.signature, SPACE), problem)


@pytest.fixture
def data(tmp_path: Path) -> synthetic.Synthetic:
    return synthetic.write(tmp_path, 2, "dense", samples={"train": 64, "valid": 32, "test": 64})


@pytest.mark.slow
@pytest.mark.parametrize("method", SETTINGS)
def test_algorithms_serve_the_space(tmp_path: Path, data: synthetic.Synthetic, method: str) -> None:
    setup_torch(1, "cpu", gpu=0)
    space = search_space("autodl", data.signature, SPACE)
    assert algorithm_spec(method).refuse(space_spec("autodl")) is None
    space.check(search(data, method, tmp_path).architecture)


@pytest.mark.slow
def test_supernet_learns(tmp_path: Path, data: synthetic.Synthetic) -> None:
    """Losses of weight and architecture steps fall below half of the first, and below that of the classes' shares."""
    setup_torch(1, "cpu", gpu=0)
    history = search(data, "darts", tmp_path, epochs=12, architecture_after=8).history
    share = data.dataset.split("train").load("y").mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    for loss in (history[-1]["train_loss"], history[-1]["architecture_loss"]):
        assert loss < history[0]["train_loss"] / 2
        assert loss < 0.9 * entropy


@pytest.mark.slow
def test_network_learns(tmp_path: Path) -> None:
    """The first layers of the default architecture err on less than half of the pixels that one class for all does."""
    data = synthetic.write(tmp_path, 2, "dense", shape=(3, 32, 32), samples={"train": 64, "valid": 32, "test": 64})
    train, test = data.dataset.final(merge_valid=True)
    space: Any = search_space("autodl", data.signature, SPACE)
    torch.manual_seed(0)
    network, cpu = space.build(space.default()), torch.device("cpu")
    training = TrainingSettings.model_validate({**TRAINING, "epochs": 12, "batch_size": 16})
    fit(network, data.task, train, training, seed=0, device=cpu)
    outputs = predict(network, data.task, test, PredictionSettings(batch_size=32), device=cpu)
    error = synthetic.metric(outputs, test.targets())
    share = test.load("y").mean()
    assert error < 100 * min(share, 1 - share) / 2
