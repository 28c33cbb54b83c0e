"""``densenas``: gradient search on a supernet that samples its operations and knows its cost (Fang et al. 2020).

Weights are trained on one operation per layer, architecture parameters on two (ProxylessNAS, Cai et al. 2019), with a
penalty on the expected cost. Source: paper section 4.1; reference code, densenas/point/model_bilevel.py.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nasperf360.algorithms.densenas.spec import DenseNasSettings
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.supernet_steps import (
    ArchitectureBatches,
    architecture_gradients,
    weight_and_architecture_splits,
)
from nasperf360.seeds import derive_seed
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.search_space import HasSampledSupernet
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training.batches import ScheduledBatches, training_loader
from nasperf360.training.epochs import Epoch, Losses, Stateful
from nasperf360.training.loop import Row, run_epochs
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.step import WeightSteps
from nasperf360.training.validation import Validation

WEIGHT_PARTS, PARTS = 4, 5  # 4 of 5 parts of the training split train weights, one the architecture


def search(space: HasSampledSupernet, problem: Problem) -> SearchResult:
    """Per step: once ``warmup_epochs`` are over an architecture step, then a weight step."""
    torch.manual_seed(derive_seed(problem.seed, "initial weights"))
    supernet: Any = space.supernet().to(problem.device)
    parts = DenseNasSteps(supernet, problem)
    history = run_epochs(
        parts.epoch,
        problem.settings.epochs,
        parts.state(),
        seed=problem.seed,
        checkpoint=problem.checkpoint,
        label=problem.label,
    )
    return SearchResult(space.derive(supernet), history)


class DenseNasSteps:
    """The supernet, its two optimisers and its two splits of the training data."""

    def __init__(self, supernet: SampledSupernet, problem: Problem):
        self.supernet, self.problem, self.task = supernet, problem, problem.task
        settings: DenseNasSettings = problem.settings
        self.settings, device = settings, problem.device
        train, valid = problem.dataset.tuning()
        weight_split, architecture_split = weight_and_architecture_splits(
            self.task, train, WEIGHT_PARTS, PARTS, problem.seed
        )
        self.task.fit(weight_split)
        weight_batch = WEIGHT_PARTS * settings.batch_size
        self.weight_loader = training_loader(self.task, weight_split, weight_batch, device)
        self.architecture_loader = training_loader(self.task, architecture_split, settings.batch_size, device)
        optimizer = make_optimizer(supernet.weight_parameters(), settings)
        self.weights = WeightSteps(supernet, self.task, optimizer, device, settings.precision, settings.clip)
        every, precision = settings.validate_every, settings.precision
        self.validation = Validation(supernet, self.task, valid, every, weight_batch, device, precision)
        self.parameters = supernet.architecture_parameters()
        self.architecture = make_optimizer(self.parameters.values(), settings.architecture)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"supernet": self.supernet, "weights": self.weights, "architecture": self.architecture}

    def epoch(self, number: Epoch) -> Row:
        """Train one epoch of weight steps; returns losses and cost."""
        self.supernet.train()
        searching = number >= self.settings.warmup_epochs
        others = ArchitectureBatches(self.task, self.architecture_loader, self.problem.seed, number)
        # Operations are drawn by weights that must be numbers; once they are, the draw waits for the device anyway.
        names = ("train_loss", "architecture_loss")
        losses, architecture_losses = (Losses(name, at_once=searching) for name in names)
        batches = ScheduledBatches(self.task, self.weight_loader, self.settings, self.problem.seed, number)
        held: dict[str, Stateful] = {"others": others, "losses": losses, "architecture_losses": architecture_losses}
        for batch, rate in number.steps(batches, **held):
            if searching:
                architecture_losses.add(self.architecture_step(next(others)))
            losses.add(self.weight_step(batch, rate, uniform=not searching))
        row = {"lr": batches.rate, "train_loss": losses.mean()}
        if searching:
            row["architecture_loss"] = architecture_losses.mean()
        with torch.no_grad():
            row["expected_cost"] = float(self.supernet.expected_cost())
        with number.looking(), self.supernet.likeliest_operations():
            return row | self.validation.after(number)

    def weight_step(self, batch: Batch, rate: float, *, uniform: bool) -> Tensor:
        """A step of the weights on one operation per layer; returns the loss."""
        self.supernet.sample_operations(1, uniform=uniform)
        with self.supernet.fixed_architecture():
            return self.weights.step(batch, rate)

    def architecture_step(self, batch: Batch) -> Tensor:
        """A step of the architecture parameters on two operations per layer; returns the loss and the penalty."""

        def penalised_loss() -> Tensor:
            penalty = self.settings.cost_weight * self.supernet.expected_cost().log()
            return self.weights.loss(batch) + penalty / math.log(self.settings.cost_base)

        self.supernet.sample_operations(2, uniform=False)
        loss, gradients = architecture_gradients(self.supernet, penalised_loss, self.weights.scaler)
        if gradients is None:
            return loss
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        before = {name: self.parameters[name].detach().clone() for name in self.supernet.sampled}
        self.architecture.step()
        renormalise(self.parameters, before, self.supernet.sampled)
        return loss


def renormalise(
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
        chosen = sampled[name].to(old.device, non_blocking=True)
        new = parameters[name].detach().gather(-1, chosen)
        shift = old.gather(-1, chosen).logsumexp(-1, keepdim=True) - new.logsumexp(-1, keepdim=True)
        parameters[name].data.copy_(old.scatter(-1, chosen, new + shift))
