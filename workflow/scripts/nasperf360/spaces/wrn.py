"""The ``wrn`` space: one network, whose training hyperparameters are the search dimensions.

WRN-16-4 on 2-D tasks, the residual network of time-series classification on 1-D tasks.
Source: paper section 4.1; reference code, backbone*/scripts/*_tuning.yaml.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nasperf360.errors import UserError
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

LR = (1e-4, 1e-1)  # log-uniform
WEIGHT_DECAY = (1e-5, 1e-2)  # log-uniform
MOMENTUM = (0.0, 0.3, 0.6, 0.9)  # Nesterov where it is not 0
DROPOUT = (0.0, 0.3, 0.6)  # no effect on 1-D tasks, whose network has none

HYPERPARAMETERS = ("lr", "momentum", "weight_decay", "dropout")


class WideResNetSpace(SearchSpace):
    """An architecture is ``{"space": "wrn"}`` plus any of lr, momentum, weight_decay, dropout.

    What it does not name keeps the value of the retraining settings, so the default architecture names none.

    Settings: see WideResNet; ``width_1d`` (64), of the first block of 1-D networks.
    """

    name = "wrn"
    setting_names = SettingNames.of(optional="depth:count widen:count width:count width_1d:count pooling")

    def check_settings(self) -> None:
        depth, pooling = self.settings.get("depth", 16), self.settings.get("pooling", "global")
        if depth < 10 or (depth - 4) % 6:
            raise UserError(f"spaces.wrn: depth {depth!r}; a wide ResNet has 6 n + 4 layers: give 10, 16, 22, ...")
        if pooling != "global" and (type(pooling) is not int or pooling < 1):
            raise UserError(f"spaces.wrn: pooling {pooling!r}; give 'global' or the side of a window")

    def default(self) -> Architecture:
        return {"space": self.name}

    def sample(self, rng: np.random.Generator) -> Architecture:
        return {
            "space": self.name,
            "lr": _log_uniform(rng, LR),
            "momentum": float(rng.choice(MOMENTUM)),
            "weight_decay": _log_uniform(rng, WEIGHT_DECAY),
            "dropout": float(rng.choice(DROPOUT)),
        }

    def check(self, architecture: Architecture) -> None:
        self._check_space(architecture)
        for key, value in architecture.items():
            if key == "space":
                continue
            if key not in HYPERPARAMETERS or type(value) not in (int, float) or not 0 <= value <= 1:
                raise UserError(
                    f"architecture of space 'wrn': '{key}: {value}'; allowed are numbers from 0 to 1 for "
                    f"{', '.join(HYPERPARAMETERS)}"
                )

    def hyperparameters(self, architecture: Architecture) -> dict[str, Any]:
        return {key: value for key, value in architecture.items() if key in HYPERPARAMETERS}

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        self.check_settings()
        channels = self.signature.input_shape[0]
        if self.signature.dimensions == 1:
            from nasperf360.networks.resnet1d import ResNet1d

            return ResNet1d(channels, self.signature.outputs, width=self.settings.get("width_1d", 64))
        from nasperf360.networks.wide_resnet import WideResNet

        return WideResNet(
            channels,
            self.signature.outputs,
            depth=self.settings.get("depth", 16),
            widen=self.settings.get("widen", 4),
            width=self.settings.get("width", 16),
            dropout=architecture.get("dropout", 0.0),
            dense=self.signature.dense,
            pooling=self.settings.get("pooling", "global"),
        )


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return float(10 ** rng.uniform(math.log10(low), math.log10(high)))


SPACE = WideResNetSpace
