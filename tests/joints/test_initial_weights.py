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
