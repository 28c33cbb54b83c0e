"""``darts``: first-order DARTS (Liu et al. 2019), Adam on the logits of the mixture, on any space with a supernet.

Source: paper section 4.1 (for Auto-DeepLab); reference code, autodeeplab/train_autodeeplab.py and architect.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.bilevel import BilevelSearch
from nasperf360.setting_names import SettingNames

if TYPE_CHECKING:
    from torch import Tensor

    from nasperf360.networks.supernet import Supernet
    from nasperf360.training.loop import Stateful


class Darts(BilevelSearch):
    """Settings besides those of BilevelSearch: ``architecture_betas`` and ``architecture_weight_decay`` of Adam.

    Architecture parameters start near 0, drawn from N(0, 1e-3).
    """

    name = "darts"
    setting_names = BilevelSearch.setting_names + SettingNames.of(
        optional="architecture_betas:pair architecture_weight_decay:amount"
    )

    def start(self, supernet: Supernet, settings: Mapping[str, Any]) -> dict[str, Stateful]:
        import torch

        from nasperf360.training.optimizers import Adam

        parameters = list(supernet.architecture_parameters().values())
        for parameter in parameters:
            torch.nn.init.normal_(parameter, std=1e-3)
        self._optimizer = Adam(
            parameters,
            lr=settings["architecture_lr"],
            betas=tuple(settings.get("architecture_betas", (0.9, 0.999))),
            weight_decay=settings.get("architecture_weight_decay", 1e-3),
        )
        return {"architecture_optimizer": self._optimizer}

    def step(self, supernet: Supernet, gradients: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        for name, parameter in supernet.architecture_parameters().items():
            parameter.grad = gradients[name]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


ALGORITHM = Darts
