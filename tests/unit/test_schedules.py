"""Learning rates against torch's own schedulers and the reference's numbers."""

import math

import pytest
import torch
from pydantic import ValidationError

from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study.configuration import ROOT
from nasperf360.training.schedules import learning_rate as rate_of
from nasperf360.training.settings import StepSettings


def learning_rate(settings, epoch, step, steps):
    return rate_of(StepSettings.model_validate({"batch_size": 1, **settings}), epoch, step, steps)


def test_step_schedule_of_wrn():
    settings = {"lr": 0.1, "epochs": 200, "schedule": {"name": "step", "factor": 0.2, "at": [0.3, 0.6, 0.8]}}
    rates = [learning_rate(settings, epoch, 0, 10) for epoch in (0, 59, 60, 119, 120, 159, 160, 199)]
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008, 0.0008])


@pytest.mark.parametrize(("per_step", "final"), [(False, 0.0), (True, 1e-5)])
def test_cosine_equals_torch(per_step, final):
    epochs, steps, base = 7, 5, 0.2
    settings = {"lr": base, "epochs": epochs, "schedule": {"name": "cosine", "per_step": per_step, "final": final}}
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=base)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, epochs * (steps if per_step else 1), eta_min=final
    )
    for epoch in range(epochs):
        for step in range(steps):
            rate = optimizer.param_groups[0]["lr"]
            assert learning_rate(settings, epoch, step, steps) == pytest.approx(rate, rel=1e-9, abs=1e-12)
            optimizer.step()
            if per_step:
                scheduler.step()
        if not per_step:
            scheduler.step()


def test_cosine_never_falls_below_its_floor():
    settings = {"lr": 0.025, "epochs": 40, "schedule": {"name": "cosine", "per_step": True}}
    plain = [learning_rate(settings, epoch, 0, 10) for epoch in range(40)]
    settings["schedule"]["floor"] = 0.001
    assert [learning_rate(settings, epoch, 0, 10) for epoch in range(40)] == [max(rate, 0.001) for rate in plain]
    assert plain[-1] < 0.001


def test_horizon_stretches():
    settings = {"lr": 1.0, "epochs": 10, "schedule": {"name": "cosine", "horizon": 240}}
    assert learning_rate(settings, 9, 0, 1) == pytest.approx((1 + math.cos(math.pi * 9 / 240)) / 2)


def test_poly_with_warmup():
    schedule = {"name": "poly", "power": 0.9, "warmup": 10, "warmup_lr": 5e-6}
    settings = {"lr": 0.05, "epochs": 4, "schedule": schedule}
    assert learning_rate(settings, 0, 0, 10) == pytest.approx(5e-6)
    assert learning_rate(settings, 0, 5, 10) == pytest.approx(5e-6 * 100)  # half of the four decades
    assert learning_rate(settings, 1, 0, 10) == pytest.approx(0.05)
    assert learning_rate(settings, 2, 5, 10) == pytest.approx(0.05 * 0.5**0.9)
    assert learning_rate({**settings, "schedule": {"name": "poly"}}, 1, 0, 10) == pytest.approx(0.05 * 0.75**0.9)


def test_poly_as_published_on_darcy():
    """Rates that the reference's scheduler gave: 500 epochs of 71 steps."""
    settings = read_yaml(ROOT / "config" / "scales" / "paper.yaml")["retrain"]["autodl"]["all"]
    assert learning_rate(settings, *divmod(1000, 71), 71) == pytest.approx(0.05, abs=5e-6)
    assert learning_rate(settings, *divmod(5000, 71), 71) == pytest.approx(0.04475, abs=5e-6)


def test_unknown_schedule_is_named():
    with pytest.raises(ValidationError, match="polly"):
        learning_rate({"lr": 1.0, "epochs": 1, "schedule": {"name": "polly"}}, 0, 0, 1)


def test_a_warmup_needs_a_rate_to_start_from():
    with pytest.raises(ValidationError, match="warmup 10 starts from no rate; add warmup_lr"):
        learning_rate({"lr": 1.0, "epochs": 1, "schedule": {"name": "poly", "warmup": 10}}, 0, 0, 1)
