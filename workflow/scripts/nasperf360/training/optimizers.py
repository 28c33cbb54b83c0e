"""SGD and Adam of torch, by settings. Their fused forms: on a CPU three to five times faster than others."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from nasperf360.training.settings import OptimizerSettings


class FusedSgd(SGD):
    """SGD by one call for all parameters, which torch has only where all of them have momentum already, or none has."""

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients."""
        for group in self.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                if parameter.grad is not None and "momentum_buffer" not in self.state[parameter]:
                    self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        super().step()


class EpsilonHatAdam(Adam):
    """Adam with eps added to the root of the second moment before its correction for the first steps, not after.

    As in TensorFlow ("epsilon hat" of the paper): at step 1 as if eps were 32 times larger.
    """

    def __init__(self, params: Iterable[Tensor], *, eps: float, **settings: Any):
        super().__init__(params, eps=eps, **settings)
        for group in self.param_groups:
            group |= {"eps_hat": eps, "steps": 0}

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients; none where they overflowed in float16, of which the scaler tells."""
        overflowed = getattr(self, "found_inf", None)
        if overflowed is not None and overflowed.item():
            return
        for group in self.param_groups:
            group["steps"] += 1
            group["eps"] = group["eps_hat"] / math.sqrt(1 - group["betas"][1] ** group["steps"])
        super().step()


def make_optimizer(parameters: Iterable[Tensor], settings: OptimizerSettings) -> Optimizer:
    """The optimiser of the settings, of parameters on one device."""
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True}
    match settings.optimizer:
        case "sgd":
            nesterov = settings.nesterov and settings.momentum > 0
            return FusedSgd(parameters, momentum=settings.momentum, nesterov=nesterov, **common)
        case "adam":
            adam = EpsilonHatAdam if settings.eps_uncorrected else Adam
            return adam(parameters, betas=(settings.betas[0], settings.betas[1]), eps=settings.eps, **common)


def zero_missing_gradients(optimizer: Optimizer, *, unused: bool = False) -> None:
    """Give a parameter without a gradient a gradient of zero, if it has moments of earlier ones.

    Its momentum and its decay go on, as in the reference, whose torch sets old gradients to zero where newer ones
    remove them. It matters where networks share weights and a step does not use them all.

    Args:
        optimizer: of the parameters.
        unused: those that never had a gradient get one too, as in TensorFlow: their first step is everyone's.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None and (unused or optimizer.state.get(parameter)):
                parameter.grad = torch.zeros_like(parameter)
