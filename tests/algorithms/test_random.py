"""Random search: the planted answer, the two samplers, the size limit, resume, and spaces of every kind."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nasperf360.algorithms.random.search import draw, make_sampler
from nasperf360.algorithms.random.search import search as random_search
from nasperf360.algorithms.random.spec import SPEC
from nasperf360.algorithms.shared.problem import Problem
from nasperf360.errors import UserError
from nasperf360.spaces.shared.counts import count_parameters
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.spaces.wrn.spec import WideResNetSettings
from nasperf360.tasks.shared.task_spec import Metric, Signature
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.loop import History
from synthetic import metric, write
from wide_task import write_wide

TRAINING = {
    "epochs": 8,
    "batch_size": 32,
    "lr": 0.05,
    "momentum": 0.9,
    "schedule": {"name": "cosine", "per_step": True},
}
SETTINGS = {"trials": 2, "epochs": 1}
SMALL = {
    "stem": 4,
    "stages": [{"channels": [5, 6], "layers": 2, "stride": 1}, {"channels": [7, 8], "layers": 1, "stride": 2}],
    "last": 8,
}
CIFAR = Signature(2, False, (3, 32, 32), 100)


def problem(data, folder, seed=0, size_limit=None, **settings):
    checkpoint = Checkpoint(folder, {"seed": seed, "settings": json.dumps(settings, sort_keys=True)})
    cpu = torch.device("cpu")
    task, dataset = (data.task, data.dataset) if data else (None, None)
    given = SPEC.settings.model_validate({**SETTINGS, **settings})
    trial_training = {**TRAINING, **given.training.params()}
    return Problem(
        task, dataset, given, trial_training, metric, seed, cpu, checkpoint, size_limit=size_limit, label="search"
    )


def search(data, folder, name="densenas", space_settings=SMALL, **options):
    space = search_space(name, data.signature, space_settings)
    return random_search(space, problem(data, folder, **options))


def sampler_of(space, given):
    return make_sampler(space, given.settings.sampler)


@pytest.mark.slow
def test_finds_the_network_without_a_bottleneck(tmp_path):
    """Eight classes through one channel cannot be told apart. One path of three stays wide; a single draw misses it."""
    data = write_wide(tmp_path, {"train": 512, "valid": 128, "test": 32})
    settings = {"stem": 12, "stages": [{"channels": [17, 1], "layers": 0}], "last": 8}
    options = {"space_settings": settings, "epochs": 8}
    found = [search(data, tmp_path / f"a{seed}", seed=seed, trials=6, **options) for seed in range(4)]
    assert sum(result.architecture["channels"] == [12, 17] for result in found) >= 3
    space = search_space("densenas", data.signature, settings)
    single = [
        draw(space, problem(data, tmp_path, seed), sampler_of(space, problem(data, tmp_path)), 0) for seed in range(60)
    ]
    assert sum(architecture["channels"] == [12, 17] for architecture, _ in single) < 35


@pytest.mark.slow
def test_derive_always_gives_one_channel_path_and_uniform_does_not(tmp_path):
    """Facts: 200 fresh initialisations of the CIFAR space, one path, 32-64-112-176-224."""
    stages = [
        {"channels": [48, 56, 64], "layers": 0, "stride": 1},
        {"channels": [72, 96, 112], "layers": 2, "stride": 2},
        {"channels": [128, 144, 160, 176], "layers": [1, 0, 0, 0], "stride": 2},
        {"channels": [192, 208, 224], "layers": [0, 0, 1], "stride": 1},
    ]
    space = search_space("densenas", CIFAR, {"stages": stages})
    sampler = sampler_of(space, problem(None, tmp_path, sampler="derive"))
    drawn = [sampler(seed) for seed in range(200)]
    assert {tuple(architecture["channels"]) for architecture in drawn} == {(32, 64, 112, 176, 224)}
    assert len({tuple(architecture["layers"]) for architecture in drawn}) == 6
    uniform = sampler_of(space, problem(None, tmp_path, sampler="uniform"))
    assert len({tuple(uniform(seed)["channels"]) for seed in range(200)}) > 150


@pytest.mark.parametrize("sampler", ["uniform", "derive"])
def test_no_architecture_exceeds_the_size_limit(tmp_path, sampler):
    space = search_space("densenas", Signature(2, False, (3, 8, 8), 2), SMALL)
    free = problem(None, tmp_path, sampler=sampler)
    sizes = [draw(space, free, sampler_of(space, free), trial)[1] for trial in range(60)]
    limit = sorted(sizes)[len(sizes) // 3]
    limited = problem(None, tmp_path, size_limit=limit, sampler=sampler)
    draws = [draw(space, limited, sampler_of(space, limited), trial) for trial in range(60)]
    assert max(sizes) > limit
    for architecture, parameters in draws:
        assert parameters == count_parameters(space.build(architecture)) <= limit
    # What is small enough already is not drawn again.
    assert all(new == old for (_, new), old in zip(draws, sizes, strict=True) if old <= limit)


def test_a_limit_out_of_reach(tmp_path):
    space = search_space("densenas", Signature(2, False, (3, 8, 8), 2), {**SMALL, "stages": SMALL["stages"][:1]})
    given = problem(None, tmp_path, size_limit=10)
    with pytest.raises(UserError, match=r"at most 10 parameters, the smallest has \d+"):
        draw(space, given, sampler_of(space, given), 0)


def test_returns_the_best_trial_within_the_limit(tmp_path):
    data = write(tmp_path, samples={"train": 64, "valid": 32, "test": 16})
    space = search_space("densenas", data.signature, SMALL)
    result = search(data, tmp_path / "c", trials=4, size_limit=6000)
    assert [row["trial"] for row in result.history] == [0, 1, 2, 3]
    best = min(result.history, key=lambda row: row["valid_score"])  # an error: smaller is better
    assert count_parameters(space.build(result.architecture)) == best["parameters"] <= 6000
    data.task.change(metric=Metric("accuracy", higher_is_better=True))
    again = search(data, tmp_path / "d", trials=4, size_limit=6000)
    assert again.history == result.history
    worst = max(result.history, key=lambda row: row["valid_score"])
    assert count_parameters(space.build(again.architecture)) == worst["parameters"]


def test_trials_train_as_retraining_at_the_start_of_its_schedule(tmp_path, monkeypatch):
    seen = []

    def fit(model, task, train, settings, **options):
        seen.append((settings.epochs, options["epochs"], settings.batch_size, settings.lr, train.name))
        return History()

    monkeypatch.setattr("nasperf360.algorithms.shared.trials.fit", fit)
    data = write(tmp_path, samples={"train": 64, "valid": 32, "test": 16})
    search(data, tmp_path / "c", trials=1, epochs=3, training={"epochs": 240})
    assert seen == [(240, 3, 32, 0.05, "train")]


def test_resume_equals_an_undisturbed_search(tmp_path):
    data = write(tmp_path, samples={"train": 64, "valid": 32, "test": 16})
    whole = search(data, tmp_path / "whole", trials=3, epochs=2)

    class Killed(Exception):
        pass

    loss, calls = data.task.loss, 0

    def fails(output, batch):
        nonlocal calls
        calls += 1
        if calls > 7:  # in the second epoch of the second trial
            raise Killed
        return loss(output, batch)

    data.task.loss = fails
    with pytest.raises(Killed):
        search(data, tmp_path / "part", trials=3, epochs=2)
    steps, data.task.loss = calls, loss
    calls = 0

    def counts(output, batch):
        nonlocal calls
        calls += 1
        return loss(output, batch)

    data.task.loss = counts
    assert search(data, tmp_path / "part", trials=3, epochs=2) == whole
    assert (steps, calls) == (8, 5)  # 12 steps in all, of which 7 were saved


def test_a_diverged_trial_is_a_result(tmp_path):
    data = write(tmp_path, samples={"train": 64, "valid": 32, "test": 16})
    loss, calls = data.task.loss, 0

    def breaks(output, batch):
        nonlocal calls
        calls += 1
        return loss(output, batch) * (float("nan") if calls <= 1 else 1)

    data.task.loss = breaks
    result = search(data, tmp_path / "c", trials=3)
    assert [row["diverged"] for row in result.history] == [1, 0, 0]
    assert "valid_score" not in result.history[0]
    data.task.loss = lambda output, batch: output.sum() * float("nan")
    with pytest.raises(UserError, match="all 3 trials diverged"):
        search(data, tmp_path / "d", trials=3)


def test_pair_with_hyperparameters(tmp_path):
    """``wrn-random``: the space's search dimensions override the retraining settings."""
    data = write(tmp_path, samples={"train": 64, "valid": 32, "test": 16})
    result = search(data, tmp_path / "c", "wrn", {"depth": 10, "widen": 1, "width": 4, "lr": [0.2, 0.21]})
    assert {"lr", "momentum", "weight_decay", "dropout"} <= result.architecture.keys()
    assert 0.2 <= result.architecture["lr"] <= 0.21


def test_a_learning_rate_above_one_is_refused():
    with pytest.raises(ValidationError, match="a learning rate is at most 1; lower 2"):
        WideResNetSettings(lr=[0.5, 2])
    assert WideResNetSettings(lr=[0.5, 1]).lr == [0.5, 1]


def test_pair_with_another_space(tmp_path):
    """``amber-random``."""
    data = write(tmp_path, 1, samples={"train": 64, "valid": 32, "test": 16})
    settings = {"depth": 4, "width": 4, "hidden": 8}
    result = search(data, tmp_path / "c", "amber", settings)
    search_space("amber", data.signature, settings).check(result.architecture)


def test_draws_depend_on_seed_and_trial_alone(tmp_path):
    space = search_space("densenas", Signature(2, False, (3, 8, 8), 2), SMALL)
    for sampler in ("uniform", "derive"):
        given = problem(None, tmp_path, seed=3, sampler=sampler)
        first = [draw(space, given, sampler_of(space, given), trial) for trial in range(20)]
        torch.manual_seed(99)
        assert first == [draw(space, given, sampler_of(space, given), trial) for trial in range(20)]
        assert len(set(np.array([size for _, size in first]))) > 1


def test_a_sampler_that_derives_needs_a_supernet():
    settings = SPEC.settings(trials=1, epochs=1, sampler="derive")
    SPEC.check(settings, space_spec("densenas"))
    with pytest.raises(UserError, match="'derive' needs a supernet, and space 'wrn' has none; set sampler: uniform"):
        SPEC.check(settings, space_spec("wrn"))
