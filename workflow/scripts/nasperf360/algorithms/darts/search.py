"""``darts``: first-order DARTS (Liu et al. 2019), Adam on the logits of the mixture, on any space with a supernet.

Source: paper section 4.1 (for Auto-DeepLab); reference code, autodeeplab/train_autodeeplab.py and architect.py.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from nasperf360.algorithms.darts.spec import DartsSettings
from nasperf360.algorithms.shared.bilevel import bilevel_search
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.spaces.shared.search_space import HasSupernet
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings


class AdamRule:
    """Steps of Adam; the parameters start near 0, drawn from N(0, 1e-3)."""

    def __init__(self, supernet: Supernet, settings: DartsSettings):
        self.parameters = supernet.architecture_parameters()
        for parameter in self.parameters.values():
            torch.nn.init.normal_(parameter, std=1e-3)
        adam = OptimizerSettings(
            optimizer="adam",
            lr=settings.architecture_lr,
            betas=settings.architecture_betas,
            weight_decay=settings.architecture_weight_decay,
        )
        self.optimizer = make_optimizer(self.parameters.values(), adam)
        self.state = {"architecture_optimizer": self.optimizer}

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def search(space: HasSupernet, problem: Problem) -> SearchResult:
    """Weights on one split, architecture parameters on the other, in turns."""
    return bilevel_search(space, problem, AdamRule)
