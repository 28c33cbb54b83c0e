"""Optimisers of settings against those of torch that they mean, step for step, through a checkpoint in the middle."""

import pytest
import torch
from pydantic import ValidationError

from nasperf360.training.optimizers import make_optimizer, zero_missing_gradients
from nasperf360.training.settings import OptimizerSettings

CASES = [
    ({"optimizer": "sgd", "lr": 0.01}, lambda p: torch.optim.SGD(p, lr=0.01)),
    (
        {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
    ),
    (
        {"lr": 0.01, "momentum": 0.0, "nesterov": True, "weight_decay": 1e-3},
        lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=1e-3),
    ),
    (
        {"optimizer": "adam", "lr": 3e-3, "betas": [0.5, 0.999], "weight_decay": 1e-3},
        lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.5, 0.999), weight_decay=1e-3),
    ),
    (
        {"optimizer": "adam", "lr": 3e-3, "eps": 1e-2},
        lambda p: torch.optim.Adam(p, lr=3e-3, eps=1e-2),
    ),
]


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Linear(2, 1))


def loss(model, number):
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
    output = model[2](model[1](model[0](x)))
    # The last layer has no gradient at first: a step must leave it alone, as torch's does.
    return (output**2).sum() + (model[3](output).sum() if number >= 5 else 0)


@pytest.mark.parametrize(("settings", "make"), CASES)
def test_equal_to_torch_also_after_a_checkpoint(settings, make):
    ours, theirs = network(), network()
    settings = OptimizerSettings(**settings)
    optimizer, reference = make_optimizer(ours.parameters(), settings), make(list(theirs.parameters()))
    for number in range(10):
        if number == 7:
            state = optimizer.state_dict()
            optimizer = make_optimizer(ours.parameters(), settings)
            optimizer.load_state_dict(state)
        for model, steps in ((ours, optimizer), (theirs, reference)):
            steps.param_groups[0]["lr"] = settings.lr / (1 + number)
            steps.zero_grad()
            loss(model, number).backward()
            steps.step()
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-7)


def test_adam_with_eps_before_the_correction():
    """Of TensorFlow's documentation: lr_t = lr sqrt(1 - b2^t) / (1 - b1^t), w -= lr_t m / (sqrt(v) + eps)."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    settings = OptimizerSettings(optimizer="adam", lr=0.1, betas=[0.8, 0.9], eps=0.05, eps_uncorrected=True)
    optimizer = make_optimizer([weight], settings)
    w, m, v = weight.detach().double(), torch.zeros(3).double(), torch.zeros(3).double()
    for step in range(1, 6):
        if step == 4:
            state = optimizer.state_dict()
            optimizer = make_optimizer([weight], settings)
            optimizer.load_state_dict(state)
        gradient = torch.tensor([0.3, -0.01, 2.0]) * step - 1
        weight.grad = gradient.clone()
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.9 * v + 0.1 * gradient.double() ** 2
        w = w - 0.1 * (1 - 0.9**step) ** 0.5 / (1 - 0.8**step) * m / (v.sqrt() + 0.05)
        torch.testing.assert_close(weight.detach().double(), w, rtol=1e-5, atol=1e-6)


def test_a_step_that_overflowed_counts_for_none():
    """In float16 the first ones often do; eps follows the steps that were taken."""
    settings = OptimizerSettings(optimizer="adam", lr=0.1, betas=[0.8, 0.9], eps=0.05, eps_uncorrected=True)
    weights = [torch.nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2)]
    disturbed, calm = (make_optimizer([weight], settings) for weight in weights)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1000)
    for step, factor in enumerate([torch.inf, 1.0, torch.inf, torch.inf, 1.0, 1.0]):
        disturbed.zero_grad()
        scaler.scale((weights[0] * torch.tensor([0.5, 3.0]) * (1 + step) * factor).sum()).backward()
        scaler.step(disturbed)
        scaler.update()
        if factor == 1.0:
            calm.zero_grad()
            (weights[1] * torch.tensor([0.5, 3.0]) * (1 + step)).sum().backward()
            calm.step()
        assert torch.equal(*weights)
    assert disturbed.param_groups[0]["eps"] == calm.param_groups[0]["eps"]


def test_unknown_optimiser_is_named():
    with pytest.raises(ValidationError, match="lion"):
        OptimizerSettings(optimizer="lion", lr=1.0)


@pytest.mark.parametrize(("settings", "torch_optimizer"), CASES[1::2])
def test_what_a_step_leaves_out_goes_on_by_its_moments(settings, torch_optimizer):
    """As torch with gradients set to zero instead of removed, through a checkpoint; untouched before its first one."""
    settings = OptimizerSettings.model_validate(settings)
    ours, theirs = network(), network()
    optimizer = make_optimizer(ours.parameters(), settings)
    reference = torch_optimizer(theirs.parameters())
    uses_last = (False, True, False, False, True, False)
    for step, used in enumerate(uses_last):
        before = ours[3].weight.clone()
        for model, each in ((ours, optimizer), (theirs, reference)):
            each.zero_grad(set_to_none=model is ours)
            loss(model, 5 if used else 0).backward()
            if model is ours:
                zero_missing_gradients(optimizer)
            each.step()
        assert torch.equal(before, ours[3].weight) == (step == 0)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
        if step == 2:
            state = optimizer.state_dict()
            optimizer = make_optimizer(ours.parameters(), settings)
            optimizer.load_state_dict(state)


def test_what_no_step_used_so_far_can_have_gradient_zero_too():
    """As in TensorFlow: Adam's step counters are the same for all weights."""
    model = network()
    optimizer = make_optimizer(model.parameters(), OptimizerSettings(optimizer="adam", lr=0.1))
    for used in (0, 0, 5):
        optimizer.zero_grad()
        loss(model, used).backward()
        zero_missing_gradients(optimizer, unused=True)
        optimizer.step()
    assert {int(state["step"]) for state in optimizer.state_dict()["state"].values()} == {3}
