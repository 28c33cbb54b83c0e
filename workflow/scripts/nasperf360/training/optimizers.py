"""SGD and Adam by torch's own update functions, without its optimiser classes.

Those classes import torch's compiler when the first one is made: 2.2 s, where all of a first step takes 0.1 s here, in
each of hundreds of short jobs.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from nasperf360.training.settings import OptimizerSettings


class Optimizer:
    """Parameters of one group, whose ``lr`` may change from step to step, and one or two moments for each."""

    moments: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Tensor], **group: Any):
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), **group}]
        self.state: dict[str, list[Any]] = {name: [None] * len(self.parameters) for name in self.moments}
        self.steps = 0

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters; those without a gradient are left alone by a step."""
        parameters: list[Tensor] = self.param_groups[0]["params"]
        return parameters

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    def zero_missing(self) -> None:
        """Give a parameter without a gradient a gradient of zero, if it has moments of earlier ones.

        Its momentum and its decay go on, as in the reference, whose torch sets old gradients to zero where newer ones
        remove them. It matters where networks share weights and a step does not use them all.
        """
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is None and any(values[index] is not None for values in self.state.values()):
                parameter.grad = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients."""
        self.steps += 1
        active = [index for index, parameter in enumerate(self.parameters) if parameter.grad is not None]
        if active:
            self._update(active, self.param_groups[0])

    def _update(self, active: list[int], group: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _gradients(self, active: list[int]) -> tuple[list[Tensor], list[Tensor]]:
        parameters = [self.parameters[index] for index in active]
        return parameters, [parameter.grad for parameter in parameters if parameter.grad is not None]

    def state_dict(self) -> dict[str, Any]:
        """Moments, steps and settings; what :meth:`load_state_dict` takes."""
        group = {name: value for name, value in self.param_groups[0].items() if name != "params"}
        return {"state": self.state, "steps": self.steps, "group": group}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state, on the parameters' devices."""
        self.steps = state["steps"]
        self.param_groups[0].update(state["group"])
        for name in self.moments:
            self.state[name] = [
                None if value is None else value.to(parameter.device, copy=True)
                for value, parameter in zip(state["state"][name], self.parameters, strict=True)
            ]


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum, Nesterov's or plain, and weight decay."""

    moments = ("momentum",)

    def _update(self, active: list[int], group: Mapping[str, Any]) -> None:
        parameters, gradients = self._gradients(active)
        buffers = [self.state["momentum"][index] for index in active]
        sgd(
            parameters,
            gradients,
            buffers,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            foreach=True,
        )
        for index, buffer in zip(active, buffers, strict=True):
            self.state["momentum"][index] = buffer


class Adam(Optimizer):
    """Adam with weight decay in the gradient.

    ``eps_uncorrected``: eps is added to the root of the second moment before its correction for the first steps, not
    after, as in TensorFlow ("epsilon hat" of the paper): at step 1 as if it were 32 times larger.
    """

    moments = ("first", "second", "step")

    def _update(self, active: list[int], group: Mapping[str, Any]) -> None:
        parameters, gradients = self._gradients(active)
        for index in active:
            if self.state["first"][index] is None:
                parameter = self.parameters[index]
                self.state["first"][index] = torch.zeros_like(parameter)
                self.state["second"][index] = torch.zeros_like(parameter)
                self.state["step"][index] = torch.zeros((), dtype=torch.float32)
        eps = group["eps"]
        if group["eps_uncorrected"]:
            eps /= math.sqrt(1 - group["betas"][1] ** self.steps)
        first, second, steps = ([self.state[name][index] for index in active] for name in self.moments)
        adam(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            foreach=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=eps,
            maximize=False,
        )


def make_optimizer(parameters: Iterable[Tensor], settings: OptimizerSettings) -> Optimizer:
    """The optimiser of the settings."""
    match settings.optimizer:
        case "sgd":
            return Sgd(
                parameters,
                lr=settings.lr,
                momentum=settings.momentum,
                nesterov=settings.nesterov and settings.momentum > 0,
                weight_decay=settings.weight_decay,
            )
        case "adam":
            return Adam(
                parameters,
                lr=settings.lr,
                betas=settings.betas,
                eps=settings.eps,
                eps_uncorrected=settings.eps_uncorrected,
                weight_decay=settings.weight_decay,
            )
