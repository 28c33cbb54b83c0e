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
    task, settings, device = problem.task, problem.settings, problem.device
    train, valid = problem.dataset.tuning()
    task.fit(train)
    train = random_subset(task, train, settings.max_samples, problem.seed)
    halves = settings.split != "same"
    splits = weight_and_architecture_splits(task, train, 1, 2, problem.seed) if halves else [train]
    loaders = [training_loader(task, split, settings.batch_size, device) for split in splits]
    weight_loader, architecture_loader = loaders[0], loaders[-1]
    # As published: GAEA goes through its half in turn, Auto-DeepLab shuffles the shared data anew at each step.
    draw = RandomBatches if settings.split == "same" else ArchitectureBatches
    torch.manual_seed(derive_seed(problem.seed, "supernet"))
    supernet = space.supernet().to(device)
    rule = make_rule(supernet, settings)
    optimizer = make_optimizer(supernet.weight_parameters(), settings)
    steps = WeightSteps(supernet, task, optimizer, device, settings.precision, settings.clip)
    every, batch_size = settings.validate_every, settings.batch_size
    validation = Validation(supernet, task, valid, every, batch_size, device, settings.precision)

    def one_epoch(epoch: Epoch) -> Row:
        supernet.train()
        searching = epoch >= settings.architecture_after
        losses, architecture_losses = Losses("train_loss"), Losses("architecture_loss")
        others = draw(task, architecture_loader, problem.seed, epoch)
        batches = ScheduledBatches(task, weight_loader, settings, problem.seed, epoch)
        held: dict[str, Stateful] = {"others": others, "losses": losses, "architecture_losses": architecture_losses}
        for batch, rate in epoch.steps(batches, **held):
            with supernet.fixed_architecture():
                losses.add(steps.step(batch, rate))
            if searching:
                loss, gradients = architecture_gradients(supernet, lambda: steps.loss(next(others)), steps.scaler)
                architecture_losses.add(loss)
                if gradients is not None:
                    rule.step(gradients)
        row = {"lr": batches.rate, "train_loss": losses.mean(), "certainty": certainty(supernet)}
        if searching:
            row["architecture_loss"] = architecture_losses.mean()
        with epoch.looking():
            return row | validation.after(epoch)

    history = run_epochs(
        one_epoch,
        settings.epochs,
        {"supernet": supernet, "steps": steps, **rule.state},
        seed=problem.seed,
        checkpoint=problem.checkpoint,
        label=problem.label,
    )
    return SearchResult(space.derive(supernet), history)


def certainty(supernet: Supernet) -> float:
    """Mean over all choices of the largest mixture weight: 1 where every choice is made."""
    largest = [
        supernet.relax(group).detach().amax(-1).flatten()
        for name in supernet.architecture_parameters()
        for group in supernet.groups(name)
    ]
    return sum(float(values.sum()) for values in largest) / sum(len(values) for values in largest)
