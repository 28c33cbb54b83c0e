"""The validation loss: the mean that torch gives, and nothing else of a training moves for it."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import synthetic
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.training.fitting import fit
from nasperf360.training.loop import History, run_epochs
from nasperf360.training.settings import RetrainSettings, TrainingSettings
from nasperf360.training.validation import Validation

CPU = torch.device("cpu")
SETTINGS = TrainingSettings.model_validate(
    {"epochs": 4, "batch_size": 16, "lr": 0.05, "momentum": 0.9, "schedule": {"name": "constant"}}
)


class Restless(nn.Module):
    """A network whose statistics, and whose use of the global generator, would show that it was looked at."""

    def __init__(self):
        super().__init__()
        self.norm, self.dropout, self.head = nn.BatchNorm1d(768), nn.Dropout(0.5), nn.Linear(768, 2)

    def forward(self, x):
        x = self.dropout(self.norm(x.flatten(1)))
        return self.head(x + 0 * torch.rand(1))


def validation(data, model, every=1, batch_size=16):
    return Validation(model, data.task, data.dataset.split("valid"), every, batch_size, CPU)


def test_it_is_the_mean_loss_of_the_samples_in_evaluation_mode(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 37, "test": 8})  # two batches, and five samples
    model = Restless()
    model(torch.randn(8, 3, 16, 16))  # statistics that are no start
    found = validation(data, model).after(0)
    assert model.training
    model.eval()
    split = data.dataset.split("valid")
    with torch.no_grad():
        outputs = model(torch.from_numpy(split.load("x")))
        expected = cross_entropy(outputs, torch.from_numpy(split.load("y")))
    assert found == {"valid_loss": pytest.approx(expected.item(), rel=1e-6)}


def test_of_a_group_it_sees_one_sample_always_the_same(tmp_path):
    """As an epoch of FSD50K visits one chunk of each clip; to see them all would cost half of a search."""
    data = synthetic.write_grouped(tmp_path, sizes=[5, 2, 4, 3, 6])
    seen, loss = [], data.task.loss

    def recorded(output, batch):
        seen.append(batch["group"].tolist())
        return loss(output, batch)

    data.task.loss = recorded
    looks = Validation(Restless(), data.task, data.dataset.split("train"), 1, 2, CPU)
    first, second = looks.after(0), looks.after(1)
    assert first == second
    assert [len(batch) for batch in seen] == [2, 2] * 2  # a single one left over is left out, as in training
    assert seen[:2] == seen[2:]
    assert len({group for batch in seen[:2] for group in batch}) == 4


def test_model_and_generators_are_as_before(tmp_path):
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 16, "test": 8})
    model = Restless()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    validation(data, model).after(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(("every", "expected"), [(0, []), (1, [0, 1, 2, 3, 4]), (2, [1, 3]), (5, [4]), (6, [])])
def test_it_looks_after_every_so_many_epochs(tmp_path, every, expected):
    data = synthetic.write(tmp_path, samples={"train": 32, "valid": 16, "test": 8})
    looks = validation(data, Restless(), every)
    assert [epoch for epoch in range(5) if looks.after(epoch)] == expected
    assert (looks.loader is None) == (every == 0)


@pytest.mark.parametrize("space", ["wrn", "densenas"])
def test_a_training_is_the_same_with_and_without(tmp_path, space):
    data = synthetic.write(tmp_path, samples={"train": 64, "valid": 24, "test": 8})
    settings = {"wrn": {"depth": 10, "widen": 1, "width": 4}, "densenas": {"stem": 4, "last": 8}}[space]
    if space == "densenas":
        settings["stages"] = [{"channels": [5, 6], "layers": 1, "stride": 2}]
    ends, histories = [], []
    for every in (0, 2):
        torch.manual_seed(0)
        searched = search_space(space, data.signature, settings)
        model = searched.build(
            {"space": "wrn", "dropout": 0.3} if space == "wrn" else searched.sample(np.random.default_rng(0))
        )
        looks = validation(data, model, every)
        train = data.dataset.split("train")
        histories.append(fit(model, data.task, train, SETTINGS, seed=1, device=CPU, after_epoch=looks.after))
        ends.append({name: value.clone() for name, value in model.state_dict().items()})
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert ["valid_loss" in row for row in histories[1]] == [False, True, False, True]
    assert histories[0] == [{k: v for k, v in row.items() if k != "valid_loss"} for row in histories[1]]


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_validation_loss_that_is_not_finite_stops_nothing(loss):
    """Else the setting would change a result."""
    history = run_epochs(lambda epoch: {"valid_loss": loss}, 2, {}, seed=0)
    assert len(history) == 2


def test_seconds_are_beside_the_rows_and_no_part_of_what_is_equal():
    history = run_epochs(lambda epoch: {"value": 1.0} | ({"seconds": 7.25} if epoch else {}), 2, {}, seed=0)
    assert history == [{"epoch": 0.0, "value": 1.0}, {"epoch": 1.0, "value": 1.0}]
    assert 0 <= history.seconds[0] < 7
    assert history.seconds[1] == 7.25
    assert History([{"a": 1}], [1.0]) == History([{"a": 1}], [2.0])


def test_trials_do_not_see_the_setting():
    given = {**SETTINGS.params(), "validate_every": 3}
    assert RetrainSettings.model_validate(given).of_trials() == SETTINGS.params()
