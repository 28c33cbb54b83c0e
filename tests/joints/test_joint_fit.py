"""``fit`` against torch's own optimiser and clipping in a plain loop; order, augmentation, hooks, disk and predictions.

The plain loop's learning rates are written by formula here, step by step.
"""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nasperf360.training.batches import Loader, training_loader
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import PredictionSettings, TrainingSettings
from recorded import CPU, Births, Recorded, assert_equal_weights, half_cosine, plain_outputs, plain_steps, recorded

SAMPLES = {"train": 44, "valid": 12, "test": 20}
BATCH, EPOCHS = 8, 5
STEPS = 6  # of an epoch: five full batches, and one of four samples


def network(seed: int = 0) -> nn.Module:
    """No dropout: a plain loop has the same numbers only where nothing is drawn."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6), nn.Tanh(), nn.Flatten(), nn.Linear(60, 2))


def settings(**given) -> TrainingSettings:
    shared = {"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.05, "schedule": {"name": "constant"}}
    return TrainingSettings.model_validate(shared | given)


def by_position(rate):
    """Rates of all steps, given ``rate(epoch, step, number)``."""
    return [rate(epoch, step, epoch * STEPS + step) for epoch in range(EPOCHS) for step in range(STEPS)]


def warm_poly(number: int) -> float:
    """Seven steps that rise exponentially from 0.001, then (1 - progress since) ** 0.9."""
    if number < 7:
        return 0.001 * 50 ** (number / 7)
    return 0.05 * (1 - (number - 7) / (EPOCHS * STEPS - 7)) ** 0.9


SGD = {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-3}
CASES = {
    "nesterov, decay, step": (
        {**SGD, "schedule": {"name": "step", "factor": 0.2, "at": [0.4, 0.8]}},
        lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9, nesterov=True, weight_decay=5e-3),
        by_position(lambda epoch, *_: 0.05 * (1, 1, 0.2, 0.2, 0.04)[epoch]),
    ),
    "cosine by epoch": (
        {"momentum": 0.9, "schedule": {"name": "cosine"}},
        lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9),
        by_position(lambda epoch, *_: half_cosine(0.05, 0.0, epoch / EPOCHS)),
    ),
    "cosine by step": (
        {"momentum": 0.9, "weight_decay": 4e-3, "schedule": {"name": "cosine", "per_step": True, "final": 1e-3}},
        lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9, weight_decay=4e-3),
        by_position(lambda epoch, step, number: half_cosine(0.05, 1e-3, number / (EPOCHS * STEPS))),
    ),
    "cosine with a floor, clipped": (
        {"momentum": 0.9, "clip": 0.3, "schedule": {"name": "cosine", "per_step": True, "floor": 0.02}},
        lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9),
        by_position(lambda epoch, step, number: max(0.02, half_cosine(0.05, 0.0, number / (EPOCHS * STEPS)))),
    ),
    "poly with warm-up": (
        {"momentum": 0.9, "schedule": {"name": "poly", "power": 0.9, "warmup": 7, "warmup_lr": 0.001}},
        lambda weights: torch.optim.SGD(weights, 0.05, momentum=0.9),
        by_position(lambda epoch, step, number: warm_poly(number)),
    ),
    "adam": (
        {"optimizer": "adam", "lr": 0.01, "betas": [0.6, 0.99], "weight_decay": 1e-2},
        lambda weights: torch.optim.Adam(weights, 0.01, betas=(0.6, 0.99), weight_decay=1e-2),
        by_position(lambda *_: 0.01),
    ),
    "half of a longer schedule": (
        {"schedule": {"name": "cosine", "horizon": 10}},
        lambda weights: torch.optim.SGD(weights, 0.05),
        by_position(lambda epoch, *_: half_cosine(0.05, 0.0, epoch / 10)),
    ),
}


@pytest.fixture
def data(tmp_path) -> Recorded:
    return recorded(tmp_path, SAMPLES, noise=0.1)


@pytest.mark.parametrize("case", CASES)
def test_equal_to_torch_in_a_plain_loop(data, case):
    given, optimizer, rates = CASES[case]
    ours, plain = network(), network()
    history = fit(ours, data.task, data.dataset.split("train"), settings(**given), seed=3, device=CPU)
    batches = data.task.batches
    assert [len(batch["x"]) for batch in batches] == [8, 8, 8, 8, 8, 4] * EPOCHS
    losses = plain_steps(plain, optimizer(plain.parameters()), batches, rates, given.get("clip"))
    assert_equal_weights(ours, plain)
    assert [row["lr"] for row in history] == pytest.approx(rates[STEPS - 1 :: STEPS], rel=1e-12)
    means = np.reshape(losses, (EPOCHS, STEPS)).mean(1)
    assert [row["train_loss"] for row in history] == pytest.approx(means.tolist(), rel=1e-5)
    if "clip" in given:  # it does something: without it the weights are others
        free = network()
        plain_steps(free, optimizer(free.parameters()), batches, rates)
        assert float((free[4].weight - plain[4].weight).detach().abs().max()) > 1e-3


def test_a_clip_bounds_the_step(data):
    """Plain gradient descent: no step is longer than rate times clip, and steps this long would be without."""
    lengths = {}
    for clip in (0.05, None):
        model, places = network(), []
        model.register_forward_pre_hook(
            lambda module, _, places=places: places.append(nn.utils.parameters_to_vector(module.parameters()).detach())
        )
        fit(model, data.task, data.dataset.split("train"), settings(clip=clip, epochs=2), seed=3, device=CPU)
        places.append(nn.utils.parameters_to_vector(model.parameters()).detach())
        lengths[clip] = [float((after - before).norm()) for before, after in pairwise(places)]
    assert len(lengths[0.05]) == 2 * STEPS
    assert max(lengths[0.05]) <= 0.05 * 0.05 * 1.01
    assert min(lengths[None]) > 0.05 * 0.05 * 1.01


def test_an_epoch_is_every_sample_once_in_an_order_and_with_noise_of_its_own(data):
    fit(network(), data.task, data.dataset.split("train"), settings(epochs=3), seed=3, device=CPU)
    seen = np.reshape(data.task.seen(), (3, SAMPLES["train"]))
    assert (np.sort(seen, 1) == np.arange(SAMPLES["train"])).all()
    orders = [tuple(order) for order in seen]
    assert len({*orders, tuple(range(SAMPLES["train"]))}) == 4  # three orders, and none is that of the file
    x = data.dataset.split("train").load("x")
    added = torch.cat([batch["x"] for batch in data.task.batches]).numpy() - x[seen.ravel()]
    noise = added.reshape(3, SAMPLES["train"], -1) / 0.1
    assert noise.std() == pytest.approx(1, abs=0.05)
    by_number = np.stack([row[np.argsort(order)] for row, order in zip(noise, seen, strict=True)])
    assert np.abs(np.corrcoef(by_number.reshape(3, -1))[np.triu_indices(3, 1)]).max() < 0.1
    drawn_in_place = np.abs(np.corrcoef(noise.reshape(3, -1))[np.triu_indices(3, 1)])
    assert drawn_in_place.max() < 0.1  # nor the same draws for other samples


def test_two_seeds_differ_in_order_and_noise(data):
    found = []
    for seed in (3, 4, 3):
        data.task.batches.clear()
        fit(network(), data.task, data.dataset.split("train"), settings(epochs=1), seed=seed, device=CPU)
        order = data.task.seen()
        found.append((order, torch.cat([batch["x"] for batch in data.task.batches])[np.argsort(order)]))
    (first, noisy), (second, other), (third, again) = found
    assert first == third != second
    assert torch.equal(noisy, again)
    x = torch.from_numpy(data.dataset.split("train").load("x"))
    correlation = torch.corrcoef(torch.stack([(noisy - x).flatten(), (other - x).flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_a_split_on_disk_is_shuffled_too(tmp_path, seed):
    """Many windows of blocks: neighbours part, samples end up far from their place, each epoch has its own order."""
    dataset = recorded(tmp_path, {**SAMPLES, "train": 400}).dataset
    dataset.memory.free = 0
    split = dataset.split("train")
    loader = Loader(split, 2, CPU)
    assert not loader.held
    orders = [
        [int(number) for batch in loader.shuffled(np.random.default_rng([seed, epoch])) for number in batch["number"]]
        for epoch in range(2)
    ]
    for order in orders:
        assert sorted(order) == list(range(len(split)))
        neighbours = sum(after - before == 1 for before, after in pairwise(order))
        assert neighbours < len(split) / 3
        # A third of the split on average in a random order; a window, a twelfth of it, where blocks keep theirs.
        assert np.abs(np.array(order) - np.arange(len(split))).mean() > len(split) / 5
    assert orders[0] != orders[1]
    for batch in loader.shuffled(np.random.default_rng(seed)):
        assert np.array_equal(batch["x"].numpy(), split.load("x")[batch["number"].numpy()])


def test_training_from_disk_sees_every_sample_in_an_order_of_its_own(data):
    """``fit`` itself reads from disk what does not fit."""
    data.dataset.memory.free = 0
    assert not training_loader(data.task, data.dataset.split("train"), 8, CPU).held
    fit(network(), data.task, data.dataset.split("train"), settings(epochs=2), seed=3, device=CPU)
    seen = np.reshape(data.task.seen(), (2, -1))
    assert (np.sort(seen, 1) == np.arange(SAMPLES["train"])).all()
    assert (seen[0] != seen[1]).any()
    assert (seen[0] != np.arange(SAMPLES["train"])).any()


class Hooked(nn.Sequential):
    """Notes its hooks and passes in one list."""

    def __init__(self):
        super().__init__(*network())
        self.log: list = []

    def forward(self, x):
        self.log.append("train" if self.training else "eval")
        return super().forward(x)

    def start_epoch(self, epoch, epochs):
        self.log.append((epoch, epochs))

    def project_weights(self):
        self.log.append("project")
        with torch.no_grad():
            self[4].weight.clamp_(-0.01, 0.01)


def test_hooks_are_called_before_each_epoch_and_after_each_step(data):
    model = Hooked()
    start = copy.deepcopy(model)
    fit(model, data.task, data.dataset.split("train"), settings(epochs=2), seed=3, device=CPU)
    assert model.log == [entry for epoch in range(2) for entry in [(epoch, 2), *["train", "project"] * STEPS]]
    plain_steps(
        start,
        torch.optim.SGD(start.parameters(), 0.05),
        data.task.batches,
        [0.05] * 2 * STEPS,
        after_step=start.project_weights,
    )
    assert_equal_weights(model, start)
    assert model[4].weight.abs().max() <= 0.01


def test_predictions_are_of_every_sample_in_order_in_evaluation_mode(data):
    model = network()
    fit(model, data.task, data.dataset.split("train"), settings(epochs=1), seed=3, device=CPU)
    before = copy.deepcopy(model)
    outputs = predict(
        model.train(), data.task, data.dataset.split("test"), PredictionSettings(batch_size=8), device=CPU
    )
    assert torch.cat(data.task.predicted).tolist() == list(range(2000, 2020))
    assert_equal_weights(model, before)  # statistics of batches were left alone
    np.testing.assert_allclose(outputs, plain_outputs(before, data.dataset, "test")[0], atol=1e-6)


def test_what_ends_an_epoch_joins_the_history_and_training_goes_on_in_training_mode(data):
    model, births = network(), Births()
    births.watch(model)
    split = data.dataset.split("valid")

    def validate(epoch):
        predict(model, data.task, split, PredictionSettings(batch_size=8), device=CPU)
        return {"twice": 2.0 * epoch}

    history = fit(
        model, data.task, data.dataset.split("train"), settings(epochs=3), seed=3, device=CPU, after_epoch=validate
    )
    assert [row["twice"] for row in history] == [0, 2, 4]
    plain = network()
    plain_steps(plain, torch.optim.SGD(plain.parameters(), 0.05), data.task.batches, [0.05] * 3 * STEPS)
    assert_equal_weights(model, plain)
