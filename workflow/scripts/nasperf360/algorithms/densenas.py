"""``densenas``: gradient search on a supernet that samples its operations and knows its cost (Fang et al. 2020).

Weights are trained on one operation per layer, architecture parameters on two (ProxylessNAS, Cai et al. 2019), with a
penalty on the expected cost. Source: paper section 4.1; reference code, densenas/point/model_bilevel.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.algorithms.supernet_steps import architecture_batches, architecture_gradients, check_warmup, cut
from nasperf360.errors import UserError
from nasperf360.seeds import derive_seed
from nasperf360.setting_names import OPTIMIZER, STEPS, SettingNames
from nasperf360.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nasperf360.networks.sampled_supernet import SampledSupernet
    from nasperf360.training.batches import Batch, Loader

WEIGHT_PARTS, PARTS = 4, 5  # the first 4 of 5 parts of the training split train weights, the last the architecture


class DenseNas(SearchAlgorithm):
    """Per step: once ``warmup_epochs`` are over an architecture step, then a weight step.

    Settings: ``epochs``, ``warmup_epochs``; ``batch_size`` (of architecture steps; weight steps take four times as
    many samples, as they have four times the data); ``optimizer``, ``lr``, ``schedule``, ... of the weights;
    ``architecture``, the same for the architecture parameters; ``cost_weight`` and ``cost_base``: the penalty is
    ``cost_weight * log(millions of multiply-adds) / log(cost_base)``; optionally ``clip`` and ``precision``.
    """

    name = "densenas"
    setting_names = (
        STEPS
        + OPTIMIZER.within("architecture")
        + SettingNames.of(required="warmup_epochs:whole cost_weight:amount cost_base:positive")
    )

    def refuse(self, space: type[SearchSpace]) -> str | None:
        if space.samples_operations:
            return None
        return "it has no supernet that samples operations and gives an expected cost"

    def check_settings(self, settings: Mapping[str, Any], space: SearchSpace) -> None:
        check_warmup("search.densenas", "warmup_epochs", settings)
        if settings["cost_base"] <= 1:
            raise UserError(f"search.densenas: cost_base {settings['cost_base']}; the penalty needs a base above 1")

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        import torch

        from nasperf360.training.loop import run_epochs

        torch.manual_seed(derive_seed(problem.seed, "initial weights"))
        supernet: Any = space.supernet().to(problem.device)
        search = _Search(supernet, problem)
        history = run_epochs(
            search.epoch,
            problem.settings["epochs"],
            search.state(),
            seed=problem.seed,
            checkpoint=problem.checkpoint,
            label=problem.label,
        )
        return SearchResult(space.derive(supernet), history)


class _Search:
    """The supernet, its two optimisers and its two parts of the training split."""

    def __init__(self, supernet: SampledSupernet, problem: Problem):
        from nasperf360.training.fitting import grad_scaler, make_optimizer

        self.supernet, self.problem, self.task = supernet, problem, problem.task
        settings = self.settings = problem.settings
        train, _ = problem.dataset.tuning()
        weight_part, architecture_part = cut(self.task, train, WEIGHT_PARTS, PARTS)
        self.task.fit(weight_part)
        self.weight_loader = self._loader(weight_part, WEIGHT_PARTS * settings["batch_size"])
        self.architecture_loader = self._loader(architecture_part, settings["batch_size"])
        self.weights = make_optimizer(supernet.weight_parameters(), settings)
        self.parameters = supernet.architecture_parameters()
        self.architecture = make_optimizer(self.parameters.values(), settings["architecture"])
        self.precision = settings.get("precision", "float32")
        self.scaler = grad_scaler(problem.device, self.precision)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "supernet": self.supernet,
            "weights": self.weights,
            "architecture": self.architecture,
            "scaler": self.scaler,
        }

    def _loader(self, split: Any, batch_size: int) -> Loader:
        from nasperf360.training.batches import Loader
        from nasperf360.training.fitting import MEMORY_BYTES

        return Loader(
            split, batch_size, self.problem.device, MEMORY_BYTES, one_per_group=self.problem.task.one_per_group
        )

    def epoch(self, number: int) -> dict[str, float]:
        """Train one epoch of weight steps; returns losses and cost."""
        import torch

        from nasperf360.training.fitting import training_batches
        from nasperf360.training.loop import Losses
        from nasperf360.training.schedules import learning_rate

        self.supernet.train()
        searching = number >= self.settings["warmup_epochs"]
        others = architecture_batches(self.task, self.architecture_loader, self.problem.seed, number)
        # Operations are drawn by weights that must be numbers; the draw waits for the device anyway.
        losses, architecture_losses = (Losses(name, at_once=True) for name in ("train_loss", "architecture_loss"))
        for step, batch in enumerate(training_batches(self.task, self.weight_loader, self.problem.seed, number)):
            if searching:
                architecture_losses.add(self._architecture_step(next(others)))
            rate = learning_rate(self.settings, number, step, self.weight_loader.steps)
            for group in self.weights.param_groups:
                group["lr"] = rate
            losses.add(self._weight_step(batch, uniform=not searching))
        row = {"lr": rate, "train_loss": losses.mean()}
        if searching:
            row["architecture_loss"] = architecture_losses.mean()
        with torch.no_grad():
            return row | {"expected_cost": float(self.supernet.expected_cost())}

    def _loss(self, batch: Batch) -> Tensor:
        from nasperf360.training.fitting import autocast

        with autocast(self.problem.device, self.precision):
            output = self.supernet(self.task.inputs(batch))
        return self.task.loss(output.float(), batch)

    def _weight_step(self, batch: Batch, *, uniform: bool) -> Tensor:
        from torch import nn

        self.supernet.sample_operations(1, uniform=uniform)
        for parameter in self.parameters.values():
            parameter.requires_grad_(False)
        loss = self._loss(batch)
        self.weights.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if clip := self.settings.get("clip"):
            self.scaler.unscale_(self.weights)  # type: ignore[arg-type]
            nn.utils.clip_grad_norm_(self.supernet.weight_parameters(), clip)
        self.scaler.step(self.weights)  # type: ignore[arg-type]
        self.scaler.update()
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        return loss.detach()

    def _architecture_step(self, batch: Batch) -> Tensor:
        def penalised_loss() -> Tensor:
            penalty = self.settings["cost_weight"] * self.supernet.expected_cost().log()
            return self._loss(batch) + penalty / math.log(self.settings["cost_base"])

        self.supernet.sample_operations(2, uniform=False)
        loss, gradients = architecture_gradients(self.supernet, penalised_loss, self.scaler)
        if gradients is None:
            return loss
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        before = {name: self.parameters[name].detach().clone() for name in self.supernet.sampled}
        self.architecture.step()
        keep_mass(self.parameters, before, self.supernet.sampled)
        return loss


def keep_mass(
    parameters: Mapping[str, nn.Parameter], before: Mapping[str, Tensor], sampled: Mapping[str, Tensor]
) -> None:
    """Shift the sampled operations' logits so that their share of all operations is what it was before the step.

    The operations that were not sampled keep their logits: the step tells nothing about them.

    Args:
        parameters: logits (layers, operations) by name, after the step; changed in place.
        before: the same, before the step.
        sampled: indices (layers, count) of the operations that took part.
    """
    for name, old in before.items():
        chosen = sampled[name].to(old.device)
        new = parameters[name].detach().gather(-1, chosen)
        shift = old.gather(-1, chosen).logsumexp(-1, keepdim=True) - new.logsumexp(-1, keepdim=True)
        parameters[name].data.copy_(old.scatter(-1, chosen, new + shift))


ALGORITHM = DenseNas
