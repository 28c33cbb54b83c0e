"""Where training starts: He's normal distribution by the fan that the reference takes, layer by layer."""

import math

import numpy as np
import pytest
import torch

from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature

POINT, DENSE = Signature(2, False, (3, 32, 32), 10), Signature(2, True, (3, 32, 32), 1)
CASES = {
    "wrn": ("wrn", POINT, "out", "network"),
    "wrn, dense": ("wrn", DENSE, "out", "network"),
    "densenas": ("densenas", POINT, "out", "network"),
    "densenas, search": ("densenas", POINT, "out", "supernet"),
    "autodl": ("autodl", DENSE, "in", "network"),
    "autodl, search": ("autodl", DENSE, "in", "supernet"),
}
SETTINGS = {
    "wrn": {"depth": 10, "widen": 2},
    "densenas": {
        "stem": 8,
        "stages": [{"channels": [16, 20], "layers": 2, "stride": 2}, {"channels": [24, 28], "layers": 2, "stride": 2}],
        "last": 32,
    },
    "autodl": {"layers": 3, "search": {"width": 4}, "evaluation": {"width": 4, "stem": 16, "aspp": 32, "low_level": 8}},
}


@pytest.mark.parametrize("case", CASES)
def test_convolutions_start_by_he_s_normal_distribution(case):
    """Standardised by their own fan, the weights of all layers together are normal; and of no layer far from it."""
    name, signature, fan, kind = CASES[case]
    space = search_space(name, signature, SETTINGS[name])
    torch.manual_seed(0)
    model = space.supernet() if kind == "supernet" else space.build(space.sample(np.random.default_rng(0)))
    standardised = []
    for label, weight in model.named_parameters():
        if weight.ndim == 4 and not label.startswith("architecture.") and "stem" not in label:
            count = weight.shape[1 if fan == "in" else 0] * weight[0, 0].numel()
            standardised.append(weight.detach().flatten() / math.sqrt(2 / count))
            if weight.numel() > 2000:
                assert float(standardised[-1].std()) == pytest.approx(1, abs=0.1), label
    values = torch.cat(standardised).double()
    assert len(standardised) > 5
    assert float(values.mean()) == pytest.approx(0, abs=0.02)
    assert float(values.std()) == pytest.approx(1, abs=0.02)
    assert float((values**4).mean()) == pytest.approx(3, abs=0.2)


def test_the_head_of_a_wide_resnet_starts_without_a_bias():
    """As in the reference; torch would draw one."""
    space = search_space("wrn", POINT, SETTINGS["wrn"])
    assert not space.build({"space": "wrn"}).head.bias.any()


@pytest.mark.parametrize("searching", [True, False])
def test_amber_starts_as_keras_does(searching):
    """Convolutions by he_normal, cut at two deviations; dense layers so while searching, then by glorot_uniform."""
    settings = {"width": 16, "hidden": 64, "search_width": 16, "search_hidden": 64}
    amber = search_space("amber", Signature(1, False, (1, 400), 8), settings)
    torch.manual_seed(0)
    model = amber.shared() if searching else amber.build(amber.sample(np.random.default_rng(1)))
    seen = set()
    for module in model.modules():
        if not isinstance(module, torch.nn.Conv1d | torch.nn.Linear):
            continue
        weight, dense = module.weight.detach(), isinstance(module, torch.nn.Linear)
        fan_in = weight[0].numel()
        if dense and not searching:
            bound = math.sqrt(6 / (fan_in + len(weight)))
            deviation = bound / math.sqrt(3)
        else:
            deviation = math.sqrt(2 / fan_in)
            # A normal distribution cut at two of its deviations keeps 0.8796 of its deviation (scipy.stats.truncnorm).
            bound = 2 * deviation / 0.87962566
        assert float(weight.abs().max()) <= bound * 1.0001
        if weight.numel() > 500:
            seen.add(dense)
            assert float(weight.std()) == pytest.approx(deviation, rel=0.1)
            assert float(weight.abs().max()) > 0.9 * bound
        if dense:
            assert not module.bias.any()
    assert seen == {False, True}
