"""What a search writes down of its course: architectures, validation, seconds; and that looking changes nothing."""

import json
from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, run_search
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import generator
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.stages.training_job import write_history
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.loop import History

CPU = torch.device("cpu")
STEPS = {"batch_size": 8, "lr": 0.05, "schedule": {"name": "constant"}}
TRAINING = {**STEPS, "epochs": 4}
WRN = {"depth": 10, "widen": 1, "width": 2}
DENSENAS = {"stem": 4, "stages": [{"channels": [5, 6], "layers": 2, "stride": 2}], "last": 8}
DARTS = {"search": {"width": 4, "depth": 3, "partial": 2}}
AUTODL = {"layers": 3, "search": {"width": 2}}
AMBER = {"depth": 4, "search_width": 2, "search_hidden": 4}
BILEVEL = {**STEPS, "epochs": 3, "architecture_after": 1, "architecture_lr": 0.1}
COST = {"warmup_epochs": 1, "architecture": {"lr": 0.02}, "cost_weight": 0.2, "cost_base": 3500}
GRADIENT = {
    "gaea darts": (DARTS, BILEVEL),
    "darts darts": (DARTS, BILEVEL),
    "gaea densenas": (DENSENAS, BILEVEL),
    "darts autodl": (AUTODL, {**BILEVEL, "split": "same"}),
    "densenas densenas": (DENSENAS, {**STEPS, "batch_size": 2, "epochs": 3, **COST}),
}
ENAS = {
    "episodes": 2, "warmup_epochs": 0, "child_steps": 1, "batch_size": 8, "lr": 0.01, "samples": 3,
    "controller_epochs": 1, "controller_batch": 3, "controller_lr": 1e-3, "skip_target": 0.4, "skip_weight": 1.0,
    "reward": "auroc",
}  # fmt: skip


def search(data: synthetic.Synthetic, algorithm: str, space: Any, folder: Any, **given: Any) -> Any:
    spec = algorithm_spec(algorithm)
    settings = spec.settings.model_validate(given)
    metric = synthetic.metric if spec.ranks_by_metric(settings) else None
    trial = TRAINING if spec.trains_trials else {}
    problem = Problem(data.task, data.dataset, settings, trial, metric, 3, CPU, Checkpoint(folder, given), label="it")
    return run_search(algorithm, space, problem)


@pytest.mark.parametrize("pair", GRADIENT)
def test_a_gradient_search_shows_the_validation_loss_and_is_the_same_without(tmp_path: Any, pair: str) -> None:
    algorithm, name = pair.split()
    settings, given = GRADIENT[pair]
    dense = name == "autodl"
    shape = (1, 32, 32) if dense else (3, 8, 8)
    samples = {"train": 16 if dense else 40, "valid": 11, "test": 8}
    data = synthetic.write(tmp_path, 2, "dense" if dense else "point", shape, samples)
    space: Any = search_space(name, data.signature, settings)
    every = {k: search(data, algorithm, space, tmp_path / f"{k}", **given, validate_every=k) for k in (0, 1, 2)}
    assert ["valid_loss" in row for row in every[0].history] == [False] * 3
    assert ["valid_loss" in row for row in every[2].history] == [False, True, False]
    losses = [row["valid_loss"] for row in every[1].history]
    assert len(set(losses)) == 3
    assert all(0 < loss < 100 for loss in losses)
    assert every[2].history[1]["valid_loss"] == losses[1]
    for other in every.values():
        assert other.architecture == every[0].architecture
        rest = [{key: value for key, value in row.items() if key != "valid_loss"} for row in other.history]
        assert rest == every[0].history
        assert len(other.history.seconds) == 3
        assert all(seconds > 0 for seconds in other.history.seconds)


def test_random_search_names_each_trial(tmp_path: Any) -> None:
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 16, "test": 8})
    space: Any = search_space("densenas", data.signature, DENSENAS)
    found = search(data, "random", space, tmp_path / "c", trials=3, epochs=1)
    named = [json.loads(row["architecture"]) for row in found.history]
    assert [space.check(architecture) for architecture in named] == [None] * 3
    assert len({row["architecture"] for row in found.history}) > 1
    best = min(found.history, key=lambda row: row["valid_score"])
    assert json.loads(best["architecture"]) == found.architecture
    assert len(found.history.seconds) == 3
    assert min(found.history.seconds) > 0


def test_asha_names_each_trial_and_where_it_diverged(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 16, "test": 8})
    space: Any = search_space("wrn", data.signature, WRN)
    scores = {0: {1: 5.0, 2: 4.0}, 1: {}, 2: {1: 3.0}}  # a second trial that diverges at once, a third that does later

    def metric_after(trial: Any, epochs: int) -> float:
        trial.seconds += epochs
        if epochs not in scores[trial.number]:
            raise DivergedError("too high")
        return scores[trial.number][epochs]

    monkeypatch.setattr("nasperf360.algorithms.shared.trials.Trial.metric_after", metric_after)
    rungs = {"reduction_factor": 2, "min_epochs": 1, "rungs": 2, "max_epochs": 2}
    found = search(data, "asha", space, tmp_path / "c", trials=3, **rungs)
    rows = [(row["trial"], row["epochs"], row["diverged"], row.get("valid_score")) for row in found.history]
    assert rows == [(0, 1, 0, 5.0), (0, 2, 0, 4.0), (1, 1, 1, None), (2, 1, 0, 3.0), (2, 2, 1, None)]
    assert found.history.seconds == [1, 3, 1, 1, 3]
    for row in found.history:
        drawn = space.sample(generator(3, "trial", int(row["trial"])))
        assert json.loads(row["architecture"]) == drawn
    assert "lr" in json.loads(found.history[0]["architecture"])


def test_seconds_of_asha_s_trials_grow_from_rung_to_rung(tmp_path: Any) -> None:
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 16, "test": 8})
    space: Any = search_space("wrn", data.signature, WRN)
    rungs = {"reduction_factor": 2, "min_epochs": 1, "rungs": 2, "max_epochs": 3}
    found = search(data, "asha", space, tmp_path / "c", trials=1, **rungs)
    first, second = found.history.seconds
    assert 0 < first < second


def test_enas_names_each_architecture_that_it_rewarded(tmp_path: Any) -> None:
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 8})
    space: Any = search_space("amber", data.signature, AMBER)
    found = search(data, "enas", space, tmp_path / "c", **ENAS)
    assert [(row["episode"], row["sample"]) for row in found.history] == [(e, s) for e in (0, 1) for s in (0, 1, 2)]
    best = max(found.history, key=lambda row: row["reward"])
    assert json.loads(best["architecture"]) == found.architecture
    for episode in (0, 1):
        rows = found.history[3 * episode : 3 * episode + 3]
        assert rows[0]["mean_reward"] == rows[2]["mean_reward"] == pytest.approx(sum(row["reward"] for row in rows) / 3)
        assert len({row["train_loss"] for row in rows}) == 1
    assert found.history[0]["train_loss"] != found.history[3]["train_loss"]
    assert isinstance(found.history, History)
    assert len(found.history.seconds) == 6


@pytest.mark.parametrize("value", [torch.tensor(0.5), torch.ones(2), np.zeros(()), [0.5], {"a": 1}])
def test_what_is_no_number_text_or_bool_is_refused_by_its_column(tmp_path: Any, value: Any) -> None:
    path = tmp_path / "history.csv"
    with pytest.raises(UserError, match=rf"^{path}: the column 'reward' holds a {type(value).__name__}; .* number"):
        write_history(path, [{"step": 0, "reward": 0.5}, {"step": 1, "reward": value}])
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_texts_bools_and_none_are_written(tmp_path: Any) -> None:
    row = {"a": np.float32(0.5), "b": np.int64(2), "c": np.bool_(True), "d": "x", "e": None, "f": 3.0, "g": False}
    write_history(tmp_path / "history.csv", [row])
    assert (tmp_path / "history.csv").read_text() == "a,b,c,d,e,f,g\n0.5,2,True,x,,3,False\n"
