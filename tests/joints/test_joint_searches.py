"""Each search against a plain loop that spells its algorithm, on the batches that it took and the draws that it made.

The loops use torch's own optimisers and formulas written here. Weights step by plain SGD where operations are sampled,
so that it does not matter whether those that a step left out have a gradient of zero or none.
"""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

import synthetic
from nasperf360.algorithms.enas import search as enas
from nasperf360.algorithms.gaea.search import SimplexRule
from nasperf360.algorithms.shared.algorithm_spec import algorithm_spec
from nasperf360.algorithms.shared.problem import Problem, SearchResult, run_search
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.training.checkpoints import Checkpoint
from planted import CHOICES, OPTIONS, PlantedNet, PlantedSpace
from recorded import (
    CPU,
    FIRST,
    Births,
    Recorded,
    assert_equal_weights,
    half_cosine,
    plain_error,
    plain_outputs,
    plain_steps,
    recorded,
)

SAMPLES = {"train": 40, "valid": 16, "test": 16}
DECAY, LR = 1e-3, 0.05


def run(name: str, space: Any, data: Recorded, folder, training: dict | None = None, **settings: Any) -> SearchResult:
    """A search, as the stage runs it."""
    given = algorithm_spec(name).settings.model_validate(settings)
    metric = synthetic.metric if algorithm_spec(name).ranks_by_metric(given) else None
    trial_training = {**training, **given.training.params()} if training else {}
    problem = Problem(
        data.task, data.dataset, given, trial_training, metric, 5, CPU, Checkpoint(folder / "checkpoint", {}), label="s"
    )
    return run_search(name, space, problem)


class Net(PlantedNet):
    """Of three channels."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 0, 0, OPTIONS - 3)) + 0.1 * x.mean(1, keepdim=True))


class Bilevel(PlantedSpace):
    """Remembers its supernet."""

    def __init__(self, signature):
        super().__init__(signature, self.spec.settings())
        self.births = Births()

    def supernet(self):
        return self.births.watch(Net())


def floored(values: torch.Tensor, gradient: torch.Tensor, rate: float, floor: float) -> torch.Tensor:
    """Exponentiated gradient, row by row in double precision: move, keep each option above the floor, normalise."""
    rows = []
    for row, slope in zip(values.double(), gradient.double(), strict=True):
        logits = row.log() - rate * slope
        moved = (logits - logits.max()).exp()
        # The floor is of the values before they are divided by their sum, on the scale on which exp is at most 1.
        scale = ((-rate * slope).max() - (logits.max())).exp()
        moved = torch.maximum(moved / scale, torch.tensor(floor))
        rows.append(moved / moved.sum())
    return torch.stack(rows).float()


BILEVEL = {
    "darts": {"architecture_lr": 0.1, "architecture_betas": [0.5, 0.99], "architecture_weight_decay": 0.02},
    "darts, the same split": {"architecture_lr": 0.1, "split": "same"},
    "gaea": {"architecture_lr": 3.0},
    "gaea on the simplex": {"architecture_lr": 5000.0, "mixture": "simplex"},
}


@pytest.mark.parametrize("case", BILEVEL)
def test_bilevel(case, tmp_path):
    """Weights and architecture in turns; the first architecture step after one epoch."""
    data = recorded(tmp_path, SAMPLES)
    space, given = Bilevel(data.signature), BILEVEL[case]
    settings = {
        **{"epochs": 3, "batch_size": 5, "lr": LR, "momentum": 0.9, "weight_decay": DECAY, "clip": 0.5},
        **{"schedule": {"name": "cosine"}, "architecture_after": 1, "validate_every": 0},
    }
    found = run(case.split()[0].strip(","), space, data, tmp_path, **settings, **given)
    ((ours, plain),) = space.births.networks

    same, darts, simplex = given.get("split") == "same", case.startswith("darts"), "mixture" in given
    steps = 8 if same else 4
    batches, number = data.task.batches, iter(range(10**6))
    assert len(batches) == 5 * steps
    architecture, weights = plain.architecture["options"], [*plain.head.parameters()]
    start = architecture.detach()
    if darts:
        assert 0 < start.abs().max() < 5e-3
        adam = torch.optim.Adam(
            [architecture],
            0.1,
            betas=tuple(given.get("architecture_betas", (0.9, 0.999))),
            weight_decay=given.get("architecture_weight_decay", 1e-3),
        )
    else:
        assert torch.equal(start, torch.full((CHOICES, OPTIONS), 1 / OPTIONS))
        plain.relax = (lambda values: values) if simplex else plain.relax
    sgd = torch.optim.SGD(weights, LR, momentum=0.9, weight_decay=DECAY)
    for_weights: list[list[int]] = [[], [], []]  # samples by epoch
    for_architecture: list[list[int]] = [[], [], []]
    floors = 0
    plain.train()
    for epoch in range(3):
        rate = half_cosine(LR, 0.0, epoch / 3)
        for _ in range(steps):
            batch = batches[next(number)]
            for_weights[epoch] += batch["number"].tolist()
            plain_steps(plain, sgd, [batch], [rate], clip=0.5)
            if epoch < 1:
                continue
            batch = batches[next(number)]
            for_architecture[epoch] += batch["number"].tolist()
            loss = nn.functional.cross_entropy(plain(batch["x"]), batch["y"])
            (gradient,) = torch.autograd.grad(loss, [architecture])
            if darts:
                architecture.grad = gradient
                adam.step()
            else:
                floor = 1e-5 if simplex else 0.0
                architecture.data.copy_(floored(architecture.data, gradient, given["architecture_lr"], floor))
                floors += int((architecture.data <= 1e-4).any())  # divided by a sum of an eighth or more
    # Its rate enlarges the rounding of gradients, and Adam's division by their size does: a step is 0.1 long.
    assert_equal_weights(ours, plain, 1e-4 if simplex else 3e-5 if darts else 2e-6)
    if simplex:  # small values too
        torch.testing.assert_close(ours.architecture["options"].log(), architecture.log(), rtol=0, atol=1e-2)
    assert (floors > 0) == simplex, "the floor has to be reached to be tested"
    assert found.architecture["options"] == architecture.argmax(-1).tolist()
    whole = list(range(40))
    half = sorted(for_weights[0])
    assert [sorted(epoch) for epoch in for_weights] == 3 * [whole if same else half]
    if same:  # each architecture step draws of all samples, whatever the steps before took
        for epoch in for_architecture[1:]:
            assert [len(set(epoch[start : start + 5])) for start in range(0, 40, 5)] == 8 * [5]
            assert set(epoch) < set(whole)
        drawn = set(for_architecture[1] + for_architecture[2])
        assert min(len(drawn & set(whole[:20])), len(drawn & set(whole[20:]))) > 10
        assert for_architecture[1] != for_architecture[2]
    else:  # random halves, each gone through in turn
        assert len(set(half)) == 20
        assert half != whole[:20]
        assert [sorted(epoch) for epoch in for_architecture[1:]] == 2 * [sorted(set(whole) - set(half))]
    assert data.task.fitted == ["train"]


def test_an_option_at_the_floor_can_return(tmp_path):
    """Of the simplex: after a step against it no option is 0, and the same step the other way brings it back."""
    supernet = Net()
    rule = simplex_rule(supernet)
    gradient = torch.zeros(CHOICES, OPTIONS)
    gradient[:, 0] = 1e6
    rule.step({"options": gradient})
    values = supernet.architecture["options"].detach().clone()
    torch.testing.assert_close(values[:, 0], torch.full((CHOICES,), 1e-5 / (1e-5 + 7 / 8)))
    rule.step({"options": -gradient})
    assert (supernet.architecture["options"][:, 0] > 0.1).all()


def simplex_rule(supernet):
    given = {"epochs": 1, "batch_size": 1, "lr": 1.0, "schedule": {"name": "constant"}, "architecture_lr": 1.0}
    settings = algorithm_spec("gaea").settings.model_validate({**given, "mixture": "simplex"})
    return SimplexRule(supernet, settings)


def test_densenas(tmp_path, monkeypatch):
    """Weights on one operation a layer, the architecture on two, with the cost's logarithm; logits are shifted."""
    data = recorded(tmp_path, {**SAMPLES, "train": 60}, dimensions=2)
    settings = {"stem": 4, "stages": [{"channels": [5, 6], "layers": 2, "stride": 2}], "last": 6}
    space: Any = search_space("densenas", data.signature, settings)
    births, draws, make, draw = Births(), [], space.supernet, SampledSupernet.sample_operations
    space.supernet = lambda: births.watch(make())

    def noted(self, count, *, uniform):
        draw(self, count, uniform=uniform)
        draws.append((count, uniform, dict(self.sampled)))

    monkeypatch.setattr(SampledSupernet, "sample_operations", noted)
    run(
        "densenas",
        space,
        data,
        tmp_path,
        **{"epochs": 3, "warmup_epochs": 1, "batch_size": 4, "lr": LR, "clip": 1.0},
        **{"schedule": {"name": "cosine", "per_step": True}, "cost_weight": 0.3, "cost_base": 40.0},
        validate_every=0,
        architecture={"optimizer": "adam", "lr": 0.05, "betas": [0.5, 0.99], "weight_decay": 0.01},
    )
    ((ours, plain),) = births.networks
    # 48 random ones of 60 samples train weights, 16 a step; the other 12 train the architecture, 4 a step.
    assert [entry[:2] for entry in draws] == [(1, True)] * 3 + [(2, False), (1, False)] * 6
    sgd = torch.optim.SGD(plain.weight_parameters(), LR)
    parameters = plain.architecture_parameters()
    adam = torch.optim.Adam(parameters.values(), 0.05, betas=(0.5, 0.99), weight_decay=0.01)
    number, step = 0, 0
    used: dict[int, list[int]] = {1: [], 2: []}
    plain.train()
    for (count, _, sampled), batch in zip(draws, data.task.batches, strict=True):
        used[count] += batch["number"].tolist()
        assert len(batch["x"]) == (16 if count == 1 else 4)
        plain.sampled = dict(sampled)
        if count == 1:
            plain_steps(plain, sgd, [batch], [half_cosine(LR, 0.0, step / 9)], clip=1.0)
            step += 1
            continue
        before = {name: value.detach().clone() for name, value in parameters.items()}
        loss = nn.functional.cross_entropy(plain(batch["x"]), batch["y"])
        loss = loss + 0.3 * torch.log(plain.expected_cost()) / math.log(40)
        adam.zero_grad()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for value, gradient in zip(parameters.values(), gradients, strict=True):
            value.grad = torch.zeros_like(value) if gradient is None else gradient
        adam.step()
        for name, chosen in sampled.items():
            for layer, operations in enumerate(chosen.tolist()):
                old, new = before[name][layer], parameters[name].data[layer].clone()
                share = old.exp()[operations].sum() / new.exp()[operations].sum()
                restored = old.clone()
                restored[operations] = new[operations] + share.log()
                parameters[name].data[layer] = restored
        number += 1
    assert number == 6
    first, other = sorted(used[1][:48]), sorted(used[2][:12])
    assert sorted(first + other) == list(range(60))
    assert first != list(range(48))
    assert [sorted(used[1][start : start + 48]) for start in (48, 96)] == [first, first]
    assert [len(used[1]), sorted(used[2][12:])] == [144, other]
    assert_equal_weights(ours, plain, 1e-5)
    assert max(float(parameters[name].detach().abs().max()) for name in plain.sampled_names) > 0.05


AMBER = {"depth": 3, "search_width": 2, "search_hidden": 8}


@pytest.mark.parametrize("reward", ["auroc", "metric"])
def test_enas(reward, tmp_path, monkeypatch):
    """Two episodes: shared weights on drawn architectures, rewards on validation, REINFORCE against the mean before."""
    data = recorded(tmp_path, {**SAMPLES, "valid": 24})
    space: Any = search_space("amber", data.signature, AMBER)
    births, draws, controllers, make = Births(), [], [], space.shared
    space.shared = lambda: births.watch(make())

    class Noted(enas.Controller):
        def sample(self, count, generator):
            if not controllers:
                controllers.extend([self, copy.deepcopy(self)])
            draws.append(super().sample(count, generator))
            return draws[-1]

    monkeypatch.setattr(enas, "Controller", Noted)
    monkeypatch.setattr(nn.functional, "dropout", lambda x, *_, **__: x)  # a plain loop would draw others
    settings = {
        **{"episodes": 2, "warmup_epochs": 1, "child_steps": 3, "samples": 4, "batch_size": 8, "lr": LR},
        **{"controller_epochs": 3, "controller_batch": 4, "controller_lr": 0.02, "reward": reward},
        **{"skip_weight": 0.0, "skip_target": 0.4, "eps": 1e-6},
    }
    found = run("enas", space, data, tmp_path, **settings)
    ((ours, plain),) = births.networks
    policy: Any = controllers[1]
    # Five steps of warm-up and three in the first episode, three in the second; then four architectures, rewarded.
    assert [len(draw) for draw in draws] == [1] * 8 + [4] + [1] * 3 + [4]
    sgd, adam = torch.optim.SGD(plain.parameters(), LR), torch.optim.Adam(policy.parameters(), 0.02, eps=1e-6)
    batches, baseline, best = iter(data.task.batches), None, (-math.inf, None)
    rewarded, means, bests, architectures = [], [], [], []
    turn = iter(draws)
    for steps in (8, 3):
        for _ in range(steps):
            plain.path = space.path(space.compose(*next(turn).choices(0)))
            plain_steps(plain, sgd, [next(batches)], [LR])
        draw, rewards = next(turn), []
        for row in range(4):
            architecture = space.compose(*draw.choices(row))
            plain.path = space.path(architecture)
            outputs, labels = plain_outputs(plain, data.dataset, "valid")
            auroc = np.mean(
                [roc_auc_score(labels == label, torch.tensor(outputs).softmax(1)[:, label]) for label in (0, 1)]
            )
            error = 100 * float((outputs.argmax(1) != labels).mean())
            rewards.append(float(auroc) if reward == "auroc" else -error)
            architectures.append(architecture)
            if rewards[-1] > best[0]:
                best = rewards[-1], architecture
        baseline = np.mean(rewards) if baseline is None else baseline
        advantages = torch.tensor([min(10.0, max(-10.0, value - baseline)) for value in rewards], dtype=torch.float32)
        baseline = np.mean(rewards)
        rewarded += rewards
        means += 4 * [baseline]
        bests += 4 * [best[0]]
        for _ in range(3):
            adam.zero_grad()
            (-(policy.log_probability(draw)[0] * advantages).sum()).backward()
            adam.step()
    assert next(batches, None) is None
    assert_equal_weights(ours, plain, 1e-5)
    assert_equal_weights(controllers[0], policy, 1e-5)
    assert [row["reward"] for row in found.history] == pytest.approx(rewarded, abs=1e-5)
    assert [row["mean_reward"] for row in found.history] == pytest.approx(means, abs=1e-5)
    assert [row["best_reward"] for row in found.history] == pytest.approx(bests, abs=1e-5)
    assert [json.loads(str(row["architecture"])) for row in found.history] == architectures
    assert found.architecture == best[1]
    # The warm-up goes through all samples once; so would the episodes, from a new order each.
    seen = data.task.seen()
    assert sorted(seen[:40]) == list(range(40))
    assert [len(set(seen[40:64])), len(set(seen[64:]))] == [24, 24]
    assert {int(value) for batch in data.task.predicted for value in batch} == set(range(1000, 1024))


TRAINING = {
    "epochs": 8,
    "batch_size": 8,
    "lr": 0.3,
    "momentum": 0.5,
    "nesterov": True,
    "schedule": {"name": "cosine"},
}


class Trials:
    """A space of training hyperparameters on a small network; remembers each trial's network at its start."""

    def __init__(self, signature):
        self.space: Any = search_space("wrn", signature, {"width_1d": 2})
        self.births, self.tried = Births(), []
        self.space.build = self.build

    def build(self, architecture):
        network = nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(40, 2))

        def first(module, _):
            if module.training:
                handle.remove()
                self.tried.append(architecture)

        handle = network.register_forward_pre_hook(first)
        return self.births.watch(network)


def plain_trial(plain, architecture, batches, epochs, horizon):
    """Train on from where a trial is: the architecture's rate, momentum and decay, over retraining's schedule."""
    sgd = torch.optim.SGD(
        plain.parameters(),
        architecture["lr"],
        momentum=architecture["momentum"],
        nesterov=architecture["momentum"] > 0,
        weight_decay=architecture["weight_decay"],
    )
    for epoch in epochs:
        rate = half_cosine(architecture["lr"], 0.0, epoch / horizon)
        plain_steps(plain, sgd, [next(batches) for _ in range(5)], [rate] * 5)
        yield epoch + 1


def test_random(tmp_path):
    """Every trial trained for two epochs of retraining's eight, by its own hyperparameters; the best on validation."""
    data = recorded(tmp_path, SAMPLES)
    trials = Trials(data.signature)
    found = run("random", trials.space, data, tmp_path, TRAINING, trials=4, epochs=2)
    batches, errors = iter(data.task.batches), []
    assert len(trials.tried) == 4
    assert len({str(architecture) for architecture in trials.tried}) == 4
    for architecture, (ours, plain) in zip(trials.tried, trials.births.networks, strict=True):
        assert list(plain_trial(plain, architecture, batches, range(2), 8)) == [1, 2]
        assert_equal_weights(ours, plain, 1e-5)
        errors.append(plain_error(plain, data.dataset, "valid"))
    assert next(batches, None) is None
    assert [row["valid_score"] for row in found.history] == errors
    assert len(set(errors)) > 1
    assert found.architecture == trials.tried[int(np.argmin(errors))]
    assert set(data.task.seen()) == set(range(40))
    assert {int(value) for batch in data.task.predicted for value in batch} == set(range(1000, 1016))


def test_asha(tmp_path):
    """Trials stop at one and two epochs unless among the best half so far; schedules span the last rung's four."""
    data = recorded(tmp_path, SAMPLES)
    trials = Trials(data.signature)
    given = {"trials": 7, "reduction_factor": 2, "min_epochs": 1, "rungs": 3, "max_epochs": 4}
    found = run("asha", trials.space, data, tmp_path, TRAINING, **given)
    batches, history, seen = iter(data.task.batches), [], {1: [], 2: []}
    for number, (architecture, (ours, plain)) in enumerate(zip(trials.tried, trials.births.networks, strict=True)):
        for epochs in plain_trial(plain, architecture, batches, range(4), 4):
            if epochs == 3:
                continue
            error = plain_error(plain, data.dataset, "valid")
            history.append((number, epochs, error))
            if epochs == 4:
                break
            seen[epochs].append(error)
            if error > sorted(seen[epochs])[max(1, len(seen[epochs]) // 2) - 1]:
                break
        assert_equal_weights(ours, plain, 1e-5)
    assert next(batches, None) is None
    assert [(int(row["trial"]), int(row["epochs"]), row["valid_score"]) for row in found.history] == history
    assert len(trials.tried) == 7
    lengths = {number: epochs for number, epochs, _ in history}
    assert len(set(lengths.values())) > 1
    best = min(history, key=lambda row: (-row[1], row[2]))
    assert found.architecture == trials.tried[best[0]]
    assert set(data.task.seen()) == set(range(40))
    assert FIRST["valid"] == min(int(batch.min()) for batch in data.task.predicted)
    assert max(int(batch.max()) for batch in data.task.predicted) < FIRST["test"]
