"""ENAS: the controller's golden size and start, its gradient, a planted architecture, and resuming."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import synthetic
from nasperf360.algorithms.enas.controller import Controller, Draw
from nasperf360.algorithms.enas.reward import auroc, mean_auroc, mean_auroc_on_device
from nasperf360.algorithms.enas.search import EnasSteps, update_controller
from nasperf360.algorithms.enas.search import search as enas_search
from nasperf360.algorithms.enas.spec import SPEC
from nasperf360.algorithms.shared.problem import Problem
from nasperf360.data.datasets import Split
from nasperf360.spaces.amber.networks import SharedNetwork
from nasperf360.spaces.amber.space import AmberSpace
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared import ranking
from nasperf360.tasks.shared.task_spec import Metric
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings

SETTINGS = {"controller_epochs": 10, "controller_batch": 20, "skip_target": 0.4, "skip_weight": 1.0}


def controller(seed=0, depth=12, operations=7):
    torch.manual_seed(seed)
    return Controller(depth, operations)


def test_golden_size_and_start():
    """Facts: 41,984 parameters; at the start operations are uniform and half of the skips are taken."""
    policy = controller()
    assert sum(parameter.numel() for parameter in policy.parameters()) == 41_984
    draw = policy.sample(500, torch.Generator().manual_seed(0))
    assert draw.skips.sum() / (500 * 66) == pytest.approx(0.504, abs=0.02)
    assert (torch.bincount(draw.operations.flatten(), minlength=7) / 6000).tolist() == pytest.approx(
        [1 / 7] * 7, abs=0.03
    )


def test_probabilities_sum_to_one():
    """Over all architectures of a small space: 3 operations, 3 layers, 3 possible skips."""
    policy = controller(depth=3, operations=3)
    operations, skips = [], []
    for choice in product(range(3), repeat=3):
        for taken in product((False, True), repeat=3):
            grid = torch.zeros(3, 3, dtype=torch.bool)
            grid[1, 0], grid[2, 0], grid[2, 1] = taken
            operations.append(torch.tensor(choice))
            skips.append(grid)
    log_probability, _ = policy.log_probability(Draw(torch.stack(operations), torch.stack(skips)))
    assert log_probability.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_sampled_frequencies_follow_the_probabilities():
    policy = controller(1, depth=2, operations=2)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(20)
    draw = policy.sample(4000, torch.Generator().manual_seed(1))
    log_probability, _ = policy.log_probability(draw)
    keys = draw.operations[:, 0] * 4 + draw.operations[:, 1] * 2 + draw.skips[:, 1, 0]
    for key in keys.unique():
        mask = keys == key
        assert mask.float().mean().item() == pytest.approx(log_probability[mask][0].exp().item(), abs=0.03)


SMALL = {"depth": 6, "search_width": 2, "search_hidden": 4}
SEARCH = {
    **SETTINGS, "episodes": 12, "warmup_epochs": 0, "child_steps": 1, "batch_size": 16, "lr": 0.01, "samples": 60,
    "controller_lr": 5e-3, "reward": "auroc",
}  # fmt: skip


def search(data, folder, seed=0, metric=None, **changes):
    settings = SPEC.settings.model_validate({**SEARCH, **changes})
    checkpoint = Checkpoint(folder, {"seed": seed, "settings": settings.params()})
    cpu = torch.device("cpu")
    given = Problem(data.task, data.dataset, settings, {}, metric, seed, cpu, checkpoint, label="search")
    return enas_search(search_space("amber", data.signature, SMALL), given)


def planted_share(architecture):
    """Share of the layers with the right operation, another one in each layer, and of the right skips: none."""
    layers = architecture["layers"]
    pairs = zip(layers, AmberSpace.operations, strict=False)  # six layers, seven operations
    right = sum(layer["operation"] == operation for layer, operation in pairs) / len(layers)
    return right - sum(len(layer["skips"]) for layer in layers) / 150


@pytest.mark.slow
def test_finds_the_planted_architecture(tmp_path, monkeypatch):
    """Through the whole search: in four of five seeds better than the best of as many random architectures of any."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    space = search_space("amber", data.signature, SMALL)

    def planted_reward(search, draw, row):
        return planted_share(space.compose(*draw.choices(row)))

    monkeypatch.setattr(EnasSteps, "reward", planted_reward)
    found = [search(data, tmp_path / str(seed), seed) for seed in range(5)]
    rng = np.random.default_rng(0)
    drawn = [
        max(planted_share(space.sample(rng)) for _ in range(SEARCH["episodes"] * SEARCH["samples"])) for _ in found
    ]
    scores = [planted_share(result.architecture) for result in found]
    assert sum(score > max(drawn) for score in scores) >= 4, (scores, drawn)
    for result, score in zip(found, scores, strict=True):
        assert score == result.history[-1]["best_reward"]
        rewards = [row["reward"] for row in result.history if "reward" in row]
        half = len(rewards) // 2  # one episode's reward is of a few architectures
        assert np.mean(rewards[half:]) > np.mean(rewards[:half])


@pytest.mark.parametrize("arm", range(3))
def test_the_policy_concentrates_on_the_better_arm(arm):
    """Two layers, three operations; one operation in the first layer is rewarded. Logits of 1.5 allow it 91 %."""
    policy = controller(depth=2, operations=3)
    optimizer = make_optimizer(policy.parameters(), OptimizerSettings(optimizer="adam", lr=5e-3))
    settings = SPEC.settings.model_validate(SEARCH)

    def share(seed):
        draw = policy.sample(2000, torch.Generator().manual_seed(seed))
        return (draw.operations[:, 0] == arm).float().mean().item()

    assert share(0) == pytest.approx(1 / 3, abs=0.05)
    for episode in range(8):
        draw = policy.sample(60, torch.Generator().manual_seed(episode))
        rewards = (draw.operations[:, 0] == arm).float()
        update_controller(policy, optimizer, draw, rewards - rewards.mean(), settings, np.random.default_rng(episode))
    assert share(1) > 0.85


def test_the_baseline_is_the_mean_reward_of_the_episode_before(tmp_path, monkeypatch):
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    rewards = iter([0.1, 0.2, 0.6, 0.5, 0.8, 0.2, 30.0, 0.4, 0.1])
    advantages = []

    def recorded(controller, optimizer, draw, given, settings, rng):
        advantages.extend(given.tolist())
        return 0.0

    monkeypatch.setattr(EnasSteps, "reward", lambda search, draw, row: next(rewards))
    monkeypatch.setattr("nasperf360.algorithms.enas.search.update_controller", recorded)
    search(data, tmp_path / "c", episodes=3, samples=3)
    assert advantages[:3] == pytest.approx([-0.2, -0.1, 0.3])  # of the first episode its own mean, 0.3
    assert advantages[3:6] == pytest.approx([0.2, 0.5, -0.1])
    assert advantages[6:] == pytest.approx([10.0, -0.1, -0.4])  # clipped; the mean before was 0.5


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_differs_slightly(tmp_path, precision):
    data = synthetic.write(tmp_path, 1, samples={"train": 64, "valid": 32, "test": 16})
    small = {"episodes": 1, "child_steps": 6, "samples": 4, "controller_batch": 4, "controller_epochs": 1}
    exact, rough = (
        search(data, tmp_path / name, **small, precision=name).history[0] for name in ("float32", precision)
    )
    assert exact["train_loss"] != rough["train_loss"]
    assert rough.pop("architecture") == exact.pop("architecture")
    assert rough == pytest.approx(exact, rel=0.1, abs=0.05)


def test_the_validation_split_is_loaded_once(tmp_path, monkeypatch):
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    loaded, real = [], Split.load

    def load(split, field):
        loaded.append((split.name, field))
        return real(split, field)

    monkeypatch.setattr(Split, "load", load)
    search(data, tmp_path / "c", episodes=2, samples=3)
    assert loaded.count(("valid", "x")) == 1
    assert loaded.count(("valid", "y")) == 2  # for batches on the device, and for the metric


class Watched:
    """A shared network that notes, for each pass, its mode, dropout, path and samples."""

    def __init__(self, monkeypatch):
        self.passes, self.networks = [], []
        real = SharedNetwork.forward

        def forward(network, x):
            self.networks.append(network)
            self.passes.append((network.training, network.dropout, tuple(network.path), x.sum((1, 2))))
            return real(network, x)

        monkeypatch.setattr(SharedNetwork, "forward", forward)

    def rows(self, x, *, training):
        """For each pass in that mode, its samples as rows of ``x``."""
        sums = x.sum((1, 2))
        passes = [given for mode, _, _, given in self.passes if mode == training]
        return [[int(np.abs(sums - float(value)).argmin()) for value in given] for given in passes]


PASSES = {"episodes": 2, "warmup_epochs": 2, "child_steps": 5, "batch_size": 6, "samples": 3}


def test_batches_are_full_and_of_one_order_per_call(tmp_path, monkeypatch):
    """Of 32 samples five batches of six: an epoch of warm-up has five steps; a longer call starts its order again."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    watched = Watched(monkeypatch)
    search(data, tmp_path / "c", **{**PASSES, "child_steps": 8})
    found = watched.rows(data.dataset.split("train").load("x"), training=True)
    assert len(found) == 5 + 5 + 8 + 8
    calls = [found[:5], found[5:10], found[10:18], found[18:]]
    assert all(len(batch) == 6 for batch in found)
    for call in calls:
        assert len({row for batch in call[:5] for row in batch}) == 30
        assert call[5:] == call[: len(call) - 5]
    assert len({tuple(call[0]) for call in calls}) == 4


@pytest.mark.parametrize("after", [False, True])
def test_dropout_in_warm_up_and_after(tmp_path, monkeypatch, after):
    """In ten steps of warm-up, and in the ten of the two episodes where the setting says so."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    watched = Watched(monkeypatch)
    search(data, tmp_path / "c", **PASSES, dropout=0.3, dropout_after_warmup=after)
    rates = [rate for training, rate, _, _ in watched.passes if training]
    assert rates == [0.3] * 10 + [0.3 if after else 0.0] * 10


def test_statistics_of_validation(tmp_path, monkeypatch):
    """After each call validation's 16 samples by six, in training mode without dropout, each on a path of its own."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    valid = data.dataset.split("valid").load("x")
    watched = Watched(monkeypatch)
    search(data, tmp_path / "c", **PASSES, validation_statistics=True)
    in_training = [entry for entry in watched.passes if entry[0]]
    seen = watched.rows(valid, training=True)
    for call in range(4):
        passes = range(call * 8 + 5, call * 8 + 8)
        assert [seen[index] for index in passes] == [[*range(6)], [*range(6, 12)], [*range(12, 16)]]
        assert len({in_training[index][2] for index in passes}) == 3
        assert {in_training[index][1] for index in passes} == {0.0}
    assert len(in_training) == 4 * 8
    assert len(watched.passes) - len(in_training) == 2 * 3 * 3  # rewards: two episodes, three paths, three batches


def test_a_sample_left_over_moves_no_statistics(tmp_path, monkeypatch):
    """Of 13 samples by six, the last batch has one: its statistics could not be taken."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 13, "test": 16})
    valid = data.dataset.split("valid").load("x")
    watched = Watched(monkeypatch)
    search(data, tmp_path / "c", **PASSES, validation_statistics=True)
    seen = watched.rows(valid, training=True)
    for call in range(4):
        assert seen[call * 7 + 5 : call * 7 + 7] == [[*range(6)], [*range(6, 12)]]
    assert len(seen) == 4 * 7


def test_resume_equals_an_undisturbed_search(tmp_path, monkeypatch):
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    small = {"episodes": 3, "samples": 4, "precision": "float16", "optimizer": "adam", "lr": 1e-3}
    small |= {"warmup_epochs": 1, "validation_statistics": True, "eps_uncorrected": True}
    whole = search(data, tmp_path / "whole", **small)
    real, calls = EnasSteps.reward, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 7:  # in the second episode
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(EnasSteps, "reward", dies)
    with pytest.raises(KeyboardInterrupt):
        search(data, tmp_path / "part", **small)
    assert search(data, tmp_path / "part", **small) == whole
    assert len(calls) == 7 + 2 + 4  # what was rewarded before is not rewarded again


@pytest.mark.parametrize("higher", [False, True])
def test_a_reward_can_be_the_metric(tmp_path, higher):
    """And then the spec says that the search ranks by it; an error is a negative reward."""
    data = synthetic.write(tmp_path, 1, samples={"train": 32, "valid": 16, "test": 16})
    data.task.change(metric=Metric("score", higher_is_better=higher))
    measured = []

    def metric(outputs, targets):
        assert len(outputs) == len(targets["y"]) == 16
        measured.append(synthetic.metric(outputs, targets))
        return measured[-1]

    found = search(data, tmp_path / "c", metric=metric, reward="metric", episodes=1, samples=4)
    rewards = measured if higher else [-value for value in measured]
    assert [row["reward"] for row in found.history] == rewards
    assert found.history[0]["mean_reward"] == pytest.approx(np.mean(rewards))
    assert found.history[0]["best_reward"] == max(rewards)
    for kind in ("auroc", "metric"):
        assert SPEC.ranks_by_metric(SPEC.settings.model_validate({**SEARCH, "reward": kind})) == (kind == "metric")
    with pytest.raises(ValueError, match="given no metric"):
        search(data, tmp_path / "d", reward="metric", episodes=1, samples=4)


@pytest.mark.parametrize("multi_label", [False, True])
def test_reward_is_the_mean_auroc_of_sklearn(multi_label):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(200, 5)).astype(np.float32)
    if multi_label:
        y = (outputs + rng.normal(size=outputs.shape) > 0.5).astype(np.uint8)
        expected = roc_auc_score(y, outputs, average="macro")
    else:
        y = (outputs + rng.normal(size=outputs.shape)).argmax(1)
        probabilities = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        expected = np.mean([roc_auc_score(y == label, probabilities[:, label]) for label in range(5)])
    assert mean_auroc(outputs, {"y": y}) == pytest.approx(expected, abs=1e-6)
    there = mean_auroc_on_device(torch.from_numpy(outputs), torch.from_numpy(y))
    assert there == pytest.approx(expected, abs=1e-6)


def test_auroc_on_a_device_is_that_of_the_metric():
    """Ties, a label that no sample has, and one that all have; but for the rounding of its sums."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(301, 6)).astype(np.float32)
    scores[:, 1] = scores[:, 1].round(1)
    scores[:, 2] = 0.5
    positive = rng.random(scores.shape) < 0.3
    positive[:, 4], positive[:, 5] = False, True
    found = auroc(torch.from_numpy(scores), torch.from_numpy(positive)).numpy()
    np.testing.assert_allclose(found, ranking.auroc(scores, positive), rtol=1e-12)
    assert found[2] == 0.5
    assert np.isnan(found[4:]).all()
    assert not np.isnan(found[:4]).any()
