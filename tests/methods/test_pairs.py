"""Any space with any algorithm, by config alone: each pair that is not refused runs, the others are refused at once."""

from typing import Any

import numpy as np
import pytest
import torch
from study import study

import synthetic
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.errors import UserError
from nasperf360.registry import names
from nasperf360.spaces.shared.search_space import PROTOCOLS, search_space
from nasperf360.spaces.shared.space_spec import Capability
from nasperf360.study import configuration
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import PredictionSettings, RetrainSettings

CPU = torch.device("cpu")

# What each space offers: a default, samples (all), a supernet, one that samples operations, shared layers.
SERVED = {
    "wrn": {"asha", "random", "default", "given"},
    "densenas": {"asha", "random", "gaea", "darts", "densenas", "given"},
    "darts": {"asha", "random", "gaea", "darts", "given"},
    "autodl": {"asha", "random", "default", "gaea", "darts", "given"},
    "amber": {"asha", "random", "enas", "given"},
}
ALGORITHMS = ("asha", "random", "default", "given", "gaea", "darts", "densenas", "enas")
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


def configured(name: str, architecture: Any, **given: Any) -> configuration.Config:
    """The study of one method; where it takes an architecture, what the workflow would have read of a file."""
    read = {"architecture": architecture, "task": "synthetic", "parameters": 0, "multiply_adds": 0, "sha256": "abc"}
    return study(methods=[name], search={"given": {"all": {"architecture": read}}}, **given)


def test_every_space_and_algorithm_stands_in_the_table():
    assert names("spaces") == tuple(sorted(SERVED))
    assert names("algorithms") == tuple(sorted(ALGORITHMS))


@pytest.mark.parametrize("space", SERVED)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pair_is_served_or_refused_at_once_with_the_reason(space, algorithm):
    name = f"{space}-{algorithm}"
    if algorithm in SERVED[space]:
        assert (
            configuration.method(configured(name, {}), name).items() >= {"space": space, "algorithm": algorithm}.items()
        )
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
    # Beside a task that it can do the experiment is n/a, and so it is for a method that nobody chose.
    config = study(methods=[name], tasks=[task, able])
    assert configuration.experiments(config) == [(able, name)]
    assert (task, "wrn-default") in configuration.experiments(study(tasks=[task]))


@pytest.mark.parametrize(
    ("task", "name", "words"),
    [
        ("darcy", "amber-enas", ["method 'amber-enas' cannot do task 'darcy'", "ecg"]),
        ("darcz", "amber-enas", ["unknown task 'darcz'", "did you mean 'darcy'"]),
        ("ecg", "wrn-gaea", ["cannot serve space 'wrn'"]),
        ("ecg", "foo-bar", ["unknown method 'foo-bar'"]),
    ],
)
def test_an_experiment_that_a_target_names_is_checked_like_those_of_the_study(task, name, words):
    config = study(methods=["wrn-default"], tasks=["ecg"])
    configuration.check_experiment(config, "ecg", "wrn-default")
    configuration.check_experiment(config, "darcy", "wrn-random")
    with pytest.raises(UserError) as error:
        configuration.check_experiment(config, task, name)
    assert all(part in str(error.value) for part in words)


def test_only_pairs_that_can_be_are_proposed():
    with pytest.raises(UserError) as error:
        study(methods=["foo-bar"])
    proposed = str(error.value).partition("allowed are ")[2].split(", ")
    assert {"amber-enas", "wrn-asha", "darts-gaea", "densenas-original"} <= set(proposed)
    for name in proposed:
        configuration.method(config := configured(name, {}), name)
        assert configuration.experiments(config)


@pytest.mark.parametrize("name", SERVED)
def test_a_space_is_what_its_capabilities_say(name):
    """Those that it names, and no others."""
    kind = {"autodl": (2, "dense"), "amber": (1, "point")}.get(name, (2, "point"))
    shape = (3, 64) if kind[0] == 1 else (3, 32, 32)
    space = search_space(name, synthetic.SyntheticTask(*kind).signature(shape), {})
    named = space.spec.capabilities
    able = {capability for capability, protocol in PROTOCOLS.items() if isinstance(space, protocol)}
    # The methods of a supernet that samples operations are those of any other.
    assert named <= able <= named | {Capability.SAMPLED_SUPERNET}


@pytest.mark.slow
@pytest.mark.parametrize(("space_name", "algorithm_name", "like"), RUNS)
def test_a_pair_searches_and_trains_what_it_found(space_name, algorithm_name, like, tmp_path):
    name = f"{space_name}-{algorithm_name}"
    data = synthetic.write(tmp_path, *LIKE[like], samples={"train": 80, "valid": 24, "test": 24})
    settings_of = study(methods=[f"{space_name}-random"], tasks=[like])
    space = search_space(
        space_name, data.signature, configuration.space_settings(settings_of, like, f"{space_name}-random")
    )
    config = configured(name, space.sample(np.random.default_rng(0)), tasks=[like])
    spec = algorithm_spec(algorithm_name)
    of_search: dict[str, Any] = configuration.search_settings(config, like, name)
    settings = spec.settings.model_validate(of_search["search"])
    problem = Problem(
        task=data.task,
        dataset=data.dataset,
        settings=settings,
        trial_training={**of_search.get("retrain", {}), **of_search["search"].get("training", {})},
        metric=synthetic.metric if spec.ranks_by_metric(settings) else None,
        seed=1,
        device=CPU,
        checkpoint=Checkpoint(tmp_path / "checkpoint", {}),
        label=name,
    )
    found = run_search(algorithm_name, space, problem)
    space.check(found.architecture)
    assert bool(found.history) == spec.trains

    train, test = data.dataset.final(merge_valid=True)
    torch.manual_seed(1)
    network = space.build(found.architecture)
    retrain = configuration.retrain_settings(config, like, name)
    training = RetrainSettings.model_validate({**retrain, **space.hyperparameters(found.architecture)})
    history = fit(network, data.task, train, training, seed=1, device=CPU)
    assert len(history) == training.epochs
    outputs = predict(network, data.task, test, PredictionSettings(batch_size=8), device=CPU)
    assert 0 <= synthetic.metric(outputs, test.targets()) <= 100
