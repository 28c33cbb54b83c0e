"""What ``gaea`` and ``darts`` share: a supernet whose weights learn on one half of the training data and whose
architecture parameters learn on the other, by first-order gradients, in turns.

Source: Liu et al. 2019; reference code, darts/gaea/search/model_def.py and autodeeplab/train_autodeeplab.py.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.algorithms.shared.supernet_steps import (
    ArchitectureBatches,
    RandomBatches,
    architecture_gradients,
    random_subset,
    weight_and_architecture_splits,
)
from nasperf360.seeds import derive_seed
from nasperf360.spaces.shared.search_space import HasSupernet
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training.batches import ScheduledBatches, training_loader
from nasperf360.training.epochs import Epoch, Losses, Stateful
from nasperf360.training.loop import Row, run_epochs
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.step import WeightSteps
from nasperf360.training.validation import Validation


class ArchitectureRule(Protocol):
    """How the architecture parameters of a supernet step; made with it, a rule has set where they start."""

    @property
    def state(self) -> Mapping[str, Stateful]:
        """What a checkpoint holds of the steps; the parameters are the supernet's."""

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Change the architecture parameters, given the gradient of each by name."""


def bilevel_search(
    space: HasSupernet, problem: Problem, make_rule: Callable[[Supernet, Any], ArchitectureRule]
) -> SearchResult:
    """Search by architecture steps of a rule, which is made of the supernet and the search's ``BilevelSettings``."""
    parts = BilevelSteps(space, problem, make_rule)
    history = run_epochs(
        parts.epoch,
        problem.settings.epochs,
        parts.state(),
        seed=problem.seed,
        checkpoint=problem.checkpoint,
        label=problem.label,
    )
    return SearchResult(space.derive(parts.supernet), history)


class BilevelSteps:
    """The supernet, the steps of its weights and of its architecture parameters, and the samples of both."""

    def __init__(
        self, space: HasSupernet, problem: Problem, make_rule: Callable[[Supernet, Any], ArchitectureRule]
    ) -> None:
        self.problem, self.task, self.settings = problem, problem.task, problem.settings
        task, settings, device = problem.task, problem.settings, problem.device
        train, valid = problem.dataset.tuning()
        task.fit(train)
        train = random_subset(task, train, settings.max_samples, problem.seed)
        halves = settings.split != "same"
        splits = weight_and_architecture_splits(task, train, 1, 2, problem.seed) if halves else [train]
        loaders = [training_loader(task, split, settings.batch_size, device) for split in splits]
        self.weight_loader, self.architecture_loader = loaders[0], loaders[-1]
        torch.manual_seed(derive_seed(problem.seed, "supernet"))
        self.supernet = space.supernet().to(device)
        self.rule = make_rule(self.supernet, settings)
        optimizer = make_optimizer(self.supernet.weight_parameters(), settings)
        self.weights = WeightSteps(self.supernet, task, optimizer, device, settings.precision, settings.clip)
        every, batch_size = settings.validate_every, settings.batch_size
        self.validation = Validation(self.supernet, task, valid, every, batch_size, device, settings.precision)

    def state(self) -> dict[str, Stateful]:
        """What a checkpoint holds."""
        return {"supernet": self.supernet, "steps": self.weights, **self.rule.state}

    def epoch(self, number: Epoch) -> Row:
        """Train one epoch of weight steps, each followed by an architecture step once they have begun."""
        self.supernet.train()
        searching = number >= self.settings.architecture_after
        losses, architecture_losses = Losses("train_loss"), Losses("architecture_loss")
        # As published: GAEA goes through its half in turn, Auto-DeepLab shuffles the shared data anew at each step.
        draw = RandomBatches if self.settings.split == "same" else ArchitectureBatches
        others = draw(self.task, self.architecture_loader, self.problem.seed, number)
        batches = ScheduledBatches(self.task, self.weight_loader, self.settings, self.problem.seed, number)
        held: dict[str, Stateful] = {"others": others, "losses": losses, "architecture_losses": architecture_losses}
        for batch, rate in number.steps(batches, **held):
            losses.add(self.weight_step(batch, rate))
            if searching:
                architecture_losses.add(self.architecture_step(next(others)))
        row = {"lr": batches.rate, "train_loss": losses.mean(), "certainty": certainty(self.supernet)}
        if searching:
            row["architecture_loss"] = architecture_losses.mean()
        with number.looking():
            return row | self.validation.after(number)

    def weight_step(self, batch: Batch, rate: float) -> Tensor:
        """A step of the weights; returns the loss."""
        with self.supernet.fixed_architecture():
            return self.weights.step(batch, rate)

    def architecture_step(self, batch: Batch) -> Tensor:
        """A step of the architecture parameters; returns the loss."""
        loss, gradients = architecture_gradients(self.supernet, lambda: self.weights.loss(batch), self.weights.scaler)
        if gradients is not None:
            self.rule.step(gradients)
        return loss


def certainty(supernet: Supernet) -> float:
    """Mean over all choices of the largest mixture weight: 1 where every choice is made."""
    largest = [
        supernet.relax(group).detach().amax(-1).flatten()
        for name in supernet.architecture_parameters()
        for group in supernet.groups(name)
    ]
    return sum(float(values.sum()) for values in largest) / sum(len(values) for values in largest)
