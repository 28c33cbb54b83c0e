"""ENAS: the controller's golden size and start, its gradient, and a policy that moves to the better arm."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from nasperf360.algorithms.enas import reward, update_controller
from nasperf360.networks.controller import Controller

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
    from itertools import product

    from nasperf360.networks.controller import Draw

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


@pytest.mark.slow
def test_policy_concentrates_on_the_better_arm():
    """Reward: share of layers with operation 2. The policy finds it for most seeds; without updates it does not."""
    found = 0
    for seed in range(5):
        policy = controller(seed, depth=4, operations=5)
        optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
        draws, baseline = torch.Generator().manual_seed(seed), None
        for episode in range(12):
            draw = policy.sample(100, draws)
            values = (draw.operations == 2).float().mean(1)
            advantages = values - (values.mean() if baseline is None else baseline)
            baseline = values.mean()
            update_controller(policy, optimizer, draw, advantages, SETTINGS, np.random.default_rng(episode))
        share = (policy.sample(200, draws).operations == 2).float().mean().item()
        found += share > 0.6
    assert found >= 4
    untrained = controller(0, depth=4, operations=5).sample(200, torch.Generator().manual_seed(0))
    assert (untrained.operations == 2).float().mean() < 0.35


class Labels:
    """Stands for a task: only its metric is read."""


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
    assert reward(Labels(), outputs, {"y": y}, "auroc") == pytest.approx(expected, abs=1e-6)
