"""Architectures of the ``wrn`` space: one network, whose training hyperparameters are the search dimensions.

Source: paper section 4.1; reference code, backbone*/scripts/*_tuning.yaml.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasperf360.spaces.shared.encoding import Architecture, Encoding
from nasperf360.spaces.wrn.spec import SPEC, WideResNetSettings

WEIGHT_DECAY = (1e-5, 1e-2)  # log-uniform
MOMENTUM = (0.0, 0.3, 0.6, 0.9)  # Nesterov where it is not 0
DROPOUT = (0.0, 0.3, 0.6)  # no effect on 1-D tasks, whose network has none

TRAINING = ("lr", "momentum", "weight_decay")
HYPERPARAMETERS = (*TRAINING, "dropout")


class WideResNetEncoding(Encoding):
    """An architecture is ``{"space": "wrn"}`` plus any of lr, momentum, weight_decay, dropout.

    What it does not name keeps the value of the retraining settings, so the default architecture names none.
    """

    spec = SPEC
    settings: WideResNetSettings

    def default(self) -> Architecture:
        """The network as the retraining settings train it."""
        return {"space": self.spec.name}

    def sample(self, rng: np.random.Generator) -> Architecture:
        return {
            "space": self.spec.name,
            "lr": _log_uniform(rng, self.settings.lr),
            "momentum": float(rng.choice(MOMENTUM)),
            "weight_decay": _log_uniform(rng, WEIGHT_DECAY),
            "dropout": float(rng.choice(DROPOUT)),
        }

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)
        for key, value in architecture.items():
            if key == "space":
                continue
            if key not in HYPERPARAMETERS or type(value) not in (int, float) or not 0 <= value <= 1:
                allowed = ", ".join(HYPERPARAMETERS)
                raise self.refusal(f"'{key}: {value}'; allowed are numbers from 0 to 1 for {allowed}")
            if key == "lr" and value == 0:
                raise self.refusal("'lr: 0'; allowed are numbers above 0")

    def hyperparameters(self, architecture: Architecture) -> dict[str, Any]:
        return {key: value for key, value in architecture.items() if key in TRAINING}


def _log_uniform(rng: np.random.Generator, bounds: Sequence[float]) -> float:
    low, high = bounds
    return float(10 ** rng.uniform(math.log10(low), math.log10(high)))
