"""What a user may get wrong about architectures, batches and learning rates: one sentence each, and nothing lost."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study import study
from true_shapes import write

import synthetic
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.errors import DivergedError, UserError
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.experiment import Experiment, Machine
from nasperf360.stages.retrain import retrain
from nasperf360.stages.search import search
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.checkpoints import Checkpoint

CPU = torch.device("cpu")
SPACES = {
    "wrn": Signature(1, False, (1, 46), 24),
    "densenas": Signature(2, False, (3, 32, 32), 10),
    "darts": Signature(2, False, (3, 32, 32), 10),
    "autodl": Signature(2, True, (1, 64, 64), 1),
    "amber": Signature(1, False, (4, 200), 36),
}
OUT_OF_RANGE = [
    ("wrn", ("lr",), 7.0),
    ("densenas", ("channels", 1), 10_000),
    ("densenas", ("layers", 0), 99),
    ("darts", ("normal", 0, 0), "sep_conv_9x9"),
    ("darts", ("normal", 0, 0), "none"),
    ("darts", ("reduce", 7, 1), 5),
    ("autodl", ("path", 3), 4),
    ("autodl", ("cell", 9, 1), -1),
    ("amber", ("layers", 4, "operation"), "conv_16"),
    ("amber", ("layers", 4, "skips"), [4]),
]


@pytest.fixture(autouse=True)
def _restored_determinism():
    """A job turns deterministic algorithms on for its whole process."""
    yield
    torch.set_deterministic_debug_mode("default")


def sample(name: str, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    space = search_space(name, SPACES[name], {})
    return space, space.sample(np.random.default_rng(seed))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of a nested value with the entry at ``path`` replaced."""
    if not path:
        return new
    result = copy.copy(value)
    result[path[0]] = changed(value[path[0]], path[1:], new)
    return result


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all entries of a nested value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in entries for place in places(entry, (*path, key)))]


@pytest.mark.parametrize(("name", "path", "token"), OUT_OF_RANGE)
def test_a_token_out_of_range_is_refused(name, path, token):
    space, architecture = sample(name)
    space.check(architecture)
    with pytest.raises(UserError) as error:
        space.check(changed(architecture, path, token))
    message = str(error.value)
    assert f"'{name}'" in message
    assert str(token) in message
    assert "\n" not in message
    with pytest.raises(UserError):
        space.build(changed(architecture, path, token))


@pytest.mark.parametrize("name", SPACES)
def test_whatever_a_file_holds_is_a_network_or_one_sentence(name):
    """Every entry of an architecture in turn replaced by something else, or gone."""
    space, architecture = sample(name)
    refusals = []
    for place in places(architecture):
        for other in (None, "x", -1, 10**6, 0.5, True, [], {}, [[]], {"space": "x"}):
            try:
                space.check(changed(architecture, place, other))
            except UserError as error:
                refusals.append(str(error))
    assert len(refusals) > 5 * len(architecture)
    assert not [text for text in refusals if "\n" in text]
    for key in architecture:
        rest = {name: value for name, value in architecture.items() if name != key}
        if name == "wrn" and key != "space":
            space.check(rest)  # a hyperparameter that is not named has its default
        else:
            with pytest.raises(UserError):
                space.check(rest)


class Jobs:
    """Jobs of one experiment, as the scripts of the rules start them."""

    def __init__(self, folder: Path, task: str, method: str, samples: int = 64, **given: Any):
        self.folder, self.task, self.method = folder, task, method
        self.config = study(tasks=[task], methods=[method], **given)
        write(folder / "data.h5", task, {"train": samples, "valid": samples, "test": samples})
        self.machine = Machine(1, "cpu", 0, str(folder / "checkpoints"), 0.0, 64)
        self.space = configuration.space_settings(self.config, task, method)

    def outputs(self, *names: str) -> dict[str, str]:
        return {name: str(self.folder / "out" / name) for name in names}

    def search(self) -> None:
        search(
            Experiment("search", self.task, self.method, 0),
            configuration.search_definition(self.config, self.method),
            self.space,
            configuration.search_settings(self.config, self.task, self.method),
            {},
            self.machine,
            data=str(self.folder / "data.h5"),
            limiting=None,
            outputs=self.outputs("architecture", "history", "cost"),
        )

    def retrain(self, content: Any) -> None:
        path = self.folder / "architecture.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        retrain(
            Experiment("retrain", self.task, self.method, 0),
            configuration.method(self.config, self.method)["space"],
            self.space,
            configuration.retrain_settings(self.config, self.task, self.method),
            {},
            self.machine,
            data=str(self.folder / "data.h5"),
            architecture=str(path),
            outputs=self.outputs("model", "history", "cost", "predictions"),
        )


@pytest.mark.parametrize("name", SPACES)
def test_retraining_refuses_an_architecture_of_another_space(name, tmp_path):
    jobs = Jobs(tmp_path, "darcy" if name == "autodl" else "satellite", f"{name}-random")
    for other in SPACES.keys() - {name}:
        with pytest.raises(UserError) as error:
            jobs.retrain({"architecture": sample(other)[1]})
        for words in (str(tmp_path / "architecture.json"), f"'{other}'", f"'{name}'", "search again"):
            assert words in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ({}, "'architecture'"),
        ([], "'architecture'"),
        ({"architecture": None}, "space"),
        ({"architecture": {"space": "wrn", "depth": 40}}, "depth"),
    ],
)
def test_retraining_names_an_architecture_file_that_holds_none(content, words, tmp_path):
    jobs = Jobs(tmp_path, "satellite", "wrn-default")
    with pytest.raises(UserError) as error:
        jobs.retrain(content)
    assert str(tmp_path / "architecture.json") in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("section", "method"),
    [
        ("retrain", "wrn-random"),
        ("retrain", "wrn-asha"),
        ("search", "densenas-densenas"),
        ("search", "darts-gaea"),
        ("search", "darts-darts"),
        ("search", "amber-enas"),
    ],
)
def test_a_batch_larger_than_the_split_is_refused(section, method, tmp_path):
    module = method.split("-")[section == "search"]
    jobs = Jobs(tmp_path, "satellite", method, **{section: {module: {"satellite": {"batch_size": 65}}}})
    with pytest.raises(UserError, match=r"a batch of \d+ is larger than the split 'train.*' with \d+ samples; choose"):
        jobs.search()
    assert not (tmp_path / "out").exists()


def test_a_batch_larger_than_the_final_split_is_refused(tmp_path):
    jobs = Jobs(tmp_path, "satellite", "wrn-default", retrain={"wrn": {"satellite": {"batch_size": 129}}})
    with pytest.raises(UserError, match="a batch of 129 is larger than the split 'train\\+valid' with 128 samples"):
        jobs.retrain({"architecture": {"space": "wrn"}})


@pytest.mark.parametrize(
    ("method", "like"),
    [
        ("densenas-densenas", "satellite"),
        ("darts-gaea", "satellite"),
        ("darts-darts", "satellite"),
        ("amber-enas", "satellite"),
        pytest.param("autodl-darts", "darcy", marks=pytest.mark.slow),
    ],
)
def test_a_supernet_whose_loss_becomes_nan_stops_and_keeps_its_last_good_state(method, like, tmp_path):
    """And goes on from there once the cause is gone."""
    config = study(methods=[method], tasks=[like])
    shape = {"satellite": (1, "point", (1, 46)), "darcy": (2, "dense", (1, 32, 32))}[like]
    data = synthetic.write(tmp_path, *shape, samples={"train": 80, "valid": 16, "test": 8})
    space_name, algorithm = method.split("-")
    space = search_space(space_name, data.signature, configuration.space_settings(config, like, method))
    given = {"epochs": 3, "episodes": 3, "child_steps": 2, "batch_size": 8}
    declared = algorithm_spec(algorithm).settings
    found = configuration.search_settings(config, like, method)["search"]
    of_search = declared.model_validate({**found, **{key: value for key, value in given.items() if key in found}})
    checkpoint = Checkpoint(tmp_path / "checkpoint", {})
    problem = Problem(data.task, data.dataset, of_search, {}, None, 1, CPU, checkpoint, label="the experiment")
    loss, bad = data.task.loss, [False]
    data.task.loss = lambda output, batch: loss(output, batch) * (float("nan") if bad[0] else 1.0)
    saved = checkpoint.save

    def save(state: Any) -> None:
        saved(state)
        bad[0] = bool(state["history"])  # from the second epoch on

    checkpoint.save = save  # type: ignore[method-assign]
    where = r"(train|architecture)_loss became nan at step 1 in (epoch|episode) 2 of 3"
    with pytest.raises(DivergedError, match=where) as error:
        run_search(algorithm, space, problem)
    assert "\n" not in str(error.value)
    state = checkpoint.load()
    assert state is not None
    assert len(state["history"]) == 1
    network = state["shared" if algorithm == "enas" else "supernet"]
    assert all(torch.isfinite(value).all() for value in network.values())

    checkpoint.save = saved  # type: ignore[method-assign]
    bad[0] = False
    found = run_search(algorithm, space, problem)
    epochs = {row.get("epoch", row.get("episode")) for row in found.history}
    assert epochs == {0, 1, 2}
    numbers = [value for row in found.history for name, value in row.items() if name != "architecture"]
    assert np.isfinite(numbers).all()
