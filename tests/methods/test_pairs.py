"""Any space with any algorithm, by config alone: each pair that is not refused runs, the others are refused at once."""

from typing import Any

import pytest
import torch
from study import study

import synthetic
from nasperf360.algorithms import get_algorithm
from nasperf360.algorithms.base import Problem
from nasperf360.errors import UserError
from nasperf360.spaces import get_space
from nasperf360.study import settings
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import evaluate, fit

CPU = torch.device("cpu")

# What each space offers: a default, samples (all), a supernet, one that samples operations, shared layers.
SERVED = {
    "wrn": {"asha", "random", "default"},
    "densenas": {"asha", "random", "gaea", "darts", "densenas"},
    "darts": {"asha", "random", "gaea", "darts"},
    "autodl": {"asha", "random", "default", "gaea", "darts"},
    "amber": {"asha", "random", "enas"},
}
ALGORITHMS = ("asha", "random", "default", "gaea", "darts", "densenas", "enas")
REASONS = {
    "default": "no default architecture",
    "gaea": "no supernet",
    "darts": "no supernet",
    "densenas": "no supernet that samples operations",
    "enas": "no layers of operations and skips",
}
# One task of each kind, whose settings at demo scale the pair takes as they are.
LIKE = {"satellite": (1, "point"), "cifar100": (2, "point"), "darcy": (2, "dense")}
RUNS = [
    (space, algorithm, task)
    for space, algorithms in SERVED.items()
    for algorithm in sorted(algorithms)
    for task in {"autodl": ("darcy",), "amber": ("satellite",)}.get(space, LIKE)
]


def test_every_space_and_algorithm_stands_in_the_table():
    assert settings.names_in("spaces") == sorted(SERVED)
    assert settings.names_in("algorithms") == sorted(ALGORITHMS)


@pytest.mark.parametrize("space", SERVED)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pair_is_served_or_refused_at_once_with_the_reason(space, algorithm):
    name = f"{space}-{algorithm}"
    if algorithm in SERVED[space]:
        assert settings.method(study(methods=[name]), name).items() >= {"space": space, "algorithm": algorithm}.items()
        return
    with pytest.raises(UserError) as error:
        study(methods=[name])
    message = str(error.value)
    assert "\n" not in message
    for words in (f"'{name}'", f"algorithm '{algorithm}' cannot serve space '{space}'", REASONS[algorithm]):
        assert words in message


@pytest.mark.parametrize(
    ("name", "task", "able"), [("autodl-random", "ecg", "darcy"), ("amber-random", "darcy", "ecg")]
)
def test_a_method_that_can_do_none_of_the_tasks_is_refused(name, task, able):
    for methods in ([name], [name, "wrn-default"]):
        with pytest.raises(UserError) as error:
            study(methods=methods, tasks=[task])
        assert all(words in str(error.value) for words in (f"'{name}' cannot do task '{task}'", able, "leave it out"))
    # Beside a task that it can do the cell is n/a, and so it is for a method that nobody chose.
    config = study(methods=[name], tasks=[task, able])
    assert settings.cells(config) == [(able, name)]
    assert (task, "wrn-default") in settings.cells(study(tasks=[task]))


@pytest.mark.parametrize(
    ("task", "name", "words"),
    [
        ("darcy", "amber-enas", ["method 'amber-enas' cannot do task 'darcy'", "ecg"]),
        ("darcz", "amber-enas", ["unknown task 'darcz'", "did you mean 'darcy'"]),
        ("ecg", "wrn-gaea", ["cannot serve space 'wrn'"]),
        ("ecg", "foo-bar", ["unknown method 'foo-bar'"]),
    ],
)
def test_a_cell_that_a_target_names_is_checked_like_those_of_the_study(task, name, words):
    config = study(methods=["wrn-default"], tasks=["ecg"])
    settings.check_cell(config, "ecg", "wrn-default")
    settings.check_cell(config, "darcy", "wrn-random")
    with pytest.raises(UserError) as error:
        settings.check_cell(config, task, name)
    assert all(part in str(error.value) for part in words)


def test_only_pairs_that_can_be_are_proposed():
    with pytest.raises(UserError) as error:
        study(methods=["foo-bar"])
    proposed = str(error.value).partition("allowed are ")[2].split(", ")
    assert {"amber-enas", "wrn-asha", "darts-gaea", "densenas-original"} <= set(proposed)
    for name in proposed:
        settings.method(config := study(methods=[name]), name)
        assert settings.cells(config)


@pytest.mark.slow
@pytest.mark.parametrize(("space_name", "algorithm_name", "like"), RUNS)
def test_a_pair_searches_and_trains_what_it_found(space_name, algorithm_name, like, tmp_path):
    name = f"{space_name}-{algorithm_name}"
    config = study(methods=[name], tasks=[like])
    data = synthetic.write(tmp_path, *LIKE[like], samples={"train": 80, "valid": 24, "test": 24})
    space = get_space(space_name, data.signature, settings.space_settings(config, like, name))
    of_search: dict[str, Any] = settings.search_settings(config, like, name)
    retrain = settings.retrain_settings(config, like, name)
    problem = Problem(
        task=data.task,
        dataset=data.dataset,
        settings=of_search["search"],
        retrain_settings=of_search.get("retrain", {}),
        seed=1,
        device=CPU,
        checkpoint=Checkpoint(tmp_path / "checkpoint", {}),
        label=name,
    )
    found = get_algorithm(algorithm_name).search(space, problem)
    space.check(found.architecture)
    assert bool(found.history) == get_algorithm(algorithm_name).trains

    train, test = data.dataset.final(merge_valid=True)
    torch.manual_seed(1)
    network = space.build(found.architecture)
    training = {**retrain, **space.hyperparameters(found.architecture)}
    history = fit(network, data.task, train, training, seed=1, device=CPU)
    assert len(history) == training["epochs"]
    assert 0 <= evaluate(network, data.task, test, {"batch_size": 8}, device=CPU)["value"] <= 100
