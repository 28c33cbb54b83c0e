"""What the paper scale resolves to, by experiment, against what the reference code ran; written out from there."""

from functools import cache
from typing import Any

import pytest
from pydantic import TypeAdapter

from nasperf360.algorithms.asha.spec import rung_epochs
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration
from nasperf360.training.settings import Schedule

SCHEDULE: TypeAdapter[Any] = TypeAdapter(Schedule)

POINT, DENSE, ONE_D = (
    ("cifar100", "spherical", "ninapro", "fsd50k"),
    ("darcy", "psicov", "cosmic"),
    ("ecg", "satellite", "deepsea"),
)
TASKS = (*POINT, *DENSE, *ONE_D)

# Of retraining: epochs, the learning rate on point and 1-D tasks and on dense ones, and the batch of each task.
RETRAIN = {
    "wrn-default": (200, 0.1, 0.001, (128, 128, 128, 256, 8, 8, 8, 256, 4096, 256)),
    "wrn-asha": (200, 0.1, 0.001, (128, 128, 128, 256, 8, 8, 8, 256, 4096, 256)),
    "densenas-original": (240, 0.5, 0.001, (256, 256, 256, 512, 8, 8, 16, 128, 4096, 128)),
    "densenas-random": (240, 0.5, 0.001, (256, 256, 256, 512, 8, 8, 16, 128, 4096, 128)),
    "darts-gaea": (150, 0.025, 0.025, (128, 64, 128, 32, 4, 4, 4, 180, 1024, 64)),
    "autodl-darts": (500, None, 0.05, (None, None, None, None, 14, 14, 14, None, None, None)),
    "amber-enas": (100, 0.001, None, (None, None, None, None, None, None, None, 512, 1024, 128)),
}
OPTIMIZER = {  # of retraining: weight decay, schedule, gradient clipping
    "wrn-default": (5e-4, {"name": "step", "factor": 0.2, "at": [0.3, 0.6, 0.8]}, None),
    "wrn-asha": (5e-4, {"name": "step", "factor": 0.2, "at": [0.3, 0.6, 0.8]}, None),
    "densenas-original": (4e-5, {"name": "cosine", "per_step": True, "final": 1e-5}, None),
    "densenas-random": (4e-5, {"name": "cosine", "per_step": True, "final": 1e-5}, None),
    "darts-gaea": (3e-4, {"name": "cosine"}, 5.0),
    "autodl-darts": (1e-4, {"name": "poly", "power": 0.9, "warmup": 1000, "warmup_lr": 5e-6}, None),
}
# Of searches with a supernet: epochs, the first epoch with architecture steps, learning rates of weights and of the
# architecture, and batches: of an architecture step for DenseNAS, of either step for the others.
SEARCH = {
    "densenas-original": (70, 11, 0.2, 3e-4, (64, 64, 64, 64, 2, 2, 2, 32, 1024, 32)),
    "darts-gaea": (50, 11, 0.1, 0.1, (256, 64, 256, 32, 4, 8, 8, 128, 4096, 128)),
    "autodl-darts": (40, 20, 0.025, 3e-3, (None, None, None, None, 8, 8, 8, None, None, None)),
}
ASHA_TRIALS = (28, 16, 28, 36, 104, 16, 16, 56, 28, 256)
ASHA_BATCHES = (128, 128, 128, 256, 8, 8, 8, 256, 256, 256)
RANDOM_TRIALS = (30, 30, 30, 30, 30, 7, 30, 60, 60, 60)
RANDOM_BATCHES = (256, 256, 256, 512, 8, 8, 16, 256, 4096, 256)


@cache
def paper() -> configuration.Config:
    shipped = read_yaml(configuration.ROOT / "config" / "config.yaml")
    return configuration.resolve({**shipped, "scale": "paper"})


def filled(schedule):
    """A schedule with its defaults."""
    return SCHEDULE.dump_python(SCHEDULE.validate_python(schedule))


def searched(method, task):
    return configuration.search_settings(paper(), task, method)["search"]


def experiments(table):
    """(method, task, number of the task) of the experiments that a table has a batch for."""
    return [
        (method, task, number)
        for method, row in table.items()
        for number, task in enumerate(TASKS)
        if row[-1][number] is not None
    ]


def test_the_tables_are_of_the_whole_study():
    assert sorted((task, method) for method, task, _ in experiments(RETRAIN)) == sorted(
        configuration.experiments(paper())
    )


@pytest.mark.parametrize(("method", "task", "number"), experiments(RETRAIN))
def test_retraining(method, task, number):
    found = configuration.retrain_settings(paper(), task, method)
    epochs, lr, lr_dense, batches = RETRAIN[method]
    assert (found["epochs"], found["batch_size"]) == (epochs, batches[number])
    assert found["lr"] == (lr_dense if task in DENSE else lr)
    if method == "amber-enas":
        assert (found["optimizer"], found["schedule"]) == ("adam", filled({"name": "constant"}))
        assert (found["eps"], found["eps_uncorrected"], found["weight_decay"]) == (1e-7, True, 0)
    else:
        assert (found["optimizer"], found["momentum"]) == ("sgd", 0.9)
        weight_decay, schedule, clip = OPTIMIZER[method]
        assert (found["weight_decay"], found["schedule"], found["clip"]) == (weight_decay, filled(schedule), clip)
    assert found["nesterov"] == method.startswith("wrn")


@pytest.mark.parametrize(("method", "task", "number"), experiments(SEARCH))
def test_searches_with_a_supernet(method, task, number):
    found = searched(method, task)
    epochs, after, lr, architecture_lr, batches = SEARCH[method]
    of_densenas = method == "densenas-original"
    assert (found["epochs"], found["lr"], found["batch_size"]) == (epochs, lr, batches[number])
    assert found["warmup_epochs" if of_densenas else "architecture_after"] == after
    assert (found["architecture"]["lr"] if of_densenas else found["architecture_lr"]) == architecture_lr
    assert found.get("split", "halves") == ("same" if method == "autodl-darts" else "halves")


@pytest.mark.parametrize(
    ("method", "schedule"),
    [
        ("densenas-original", {"name": "cosine", "per_step": True, "final": 1e-5}),
        ("darts-gaea", {"name": "cosine"}),
        ("autodl-darts", {"name": "cosine", "per_step": True, "floor": 0.001}),
    ],
)
def test_schedule_of_the_search(method, schedule):
    assert searched(method, "darcy")["schedule"] == filled(schedule)


@pytest.mark.parametrize(("task", "trials", "batch"), list(zip(TASKS, ASHA_TRIALS, ASHA_BATCHES, strict=True)))
def test_asha(task, trials, batch):
    """With 64 trials or more there are four rungs, of four times as many epochs each, the last being the end."""
    found = searched("wrn-asha", task)
    assert (found["trials"], found["reduction_factor"]) == (trials, 4)
    rungs = rung_epochs(found["min_epochs"], 4, found["rungs"], found["max_epochs"])
    assert rungs == ([3, 12, 48, 200] if trials >= 64 else [12, 48, 200])
    training = configuration.search_settings(paper(), task, "wrn-asha")["retrain"] | found.get("training", {})
    assert training["batch_size"] == batch


@pytest.mark.parametrize(("task", "trials", "batch"), list(zip(TASKS, RANDOM_TRIALS, RANDOM_BATCHES, strict=True)))
def test_random_search(task, trials, batch):
    """Trials of 10 epochs at the start of the schedule of retraining."""
    found = searched("densenas-random", task)
    assert (found["trials"], found["epochs"], found["sampler"]) == (trials, 10, "derive")
    training = configuration.search_settings(paper(), task, "densenas-random")["retrain"] | found.get("training", {})
    assert (training["batch_size"], training["epochs"]) == (batch, 240)
    assert configuration.method(paper(), "densenas-random")["size_limit"] == {
        "method": "densenas-original",
        "slack": 1e6,
    }


@pytest.mark.parametrize(("task", "batch"), [("ecg", 500), ("satellite", 2000), ("deepsea", 500)])
def test_enas(task, batch):
    found = searched("amber-enas", task)
    assert (found["episodes"], found["child_steps"], found["batch_size"]) == (300, 500, batch)
    assert (found["samples"], found["controller_epochs"], found["controller_batch"]) == (100, 10, 20)
    assert (found["lr"], found["controller_lr"], found["skip_target"]) == (1e-3, 1e-3, 0.4)
    assert (found["eps"], found["eps_uncorrected"], found["weight_decay"]) == (1e-7, True, 0)
    assert (found["warmup_epochs"], found["dropout"], found["dropout_after_warmup"]) == (1, 0.1, False)
    assert (found["skip_penalty"], found["skip_weight"], found["validation_statistics"]) == ("published", 1.0, True)
    space = configuration.space_settings(paper(), task, "amber-enas")
    assert (space["max_norm"], space["l2"]) == (0.9, 5e-7)
