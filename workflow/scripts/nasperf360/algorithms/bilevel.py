"""What ``gaea`` and ``darts`` share: a supernet whose weights learn on one half of the training data and whose
architecture parameters learn on the other, by first-order gradients, in turns.

Source: Liu et al. 2019; reference code, darts/gaea/search/model_def.py and autodeeplab/train_autodeeplab.py.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nasperf360.algorithms.base import Problem, SearchAlgorithm, SearchResult
from nasperf360.algorithms.supernet_steps import architecture_batches, architecture_gradients, check_warmup, cut
from nasperf360.seeds import derive_seed
from nasperf360.setting_names import STEPS, SettingNames
from nasperf360.spaces.base import SearchSpace

if TYPE_CHECKING:
    from torch import Tensor

    from nasperf360.networks.supernet import Supernet
    from nasperf360.tasks.base import Batch
    from nasperf360.training.loop import Row, Stateful


class BilevelSearch(SearchAlgorithm):
    """Base class: subclasses say how the architecture parameters start and step.

    Settings: ``epochs``, ``batch_size``, ``lr``, ``schedule``, the optimiser's settings, ``clip`` and ``precision`` as
    for training; ``architecture_lr``; ``architecture_after``: epochs before the first architecture step;
    ``split``: ``halves``, or ``same`` to learn both on all training data; ``max_samples``: search on the first so many
    training samples only, all by default.
    """

    setting_names: ClassVar[SettingNames] = STEPS + SettingNames.of(
        required="architecture_lr:positive",
        optional="architecture_after:whole split:halves|same max_samples:count",
    )

    def refuse(self, space: type[SearchSpace]) -> str | None:
        return None if space.has_supernet else "the space has no supernet"

    def check_settings(self, settings: Mapping[str, Any], space: SearchSpace) -> None:
        check_warmup(f"search.{self.name}", "architecture_after", settings)

    @abstractmethod
    def start(self, supernet: Supernet, settings: Mapping[str, Any]) -> dict[str, Stateful]:
        """Set the architecture parameters, and return what the steps keep, for checkpoints."""

    @abstractmethod
    def step(self, supernet: Supernet, gradients: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        """Change the architecture parameters, given their gradients."""

    def search(self, space: SearchSpace, problem: Problem) -> SearchResult:
        import torch
        from torch import nn

        from nasperf360.training.batches import Loader
        from nasperf360.training.fitting import MEMORY_BYTES, autocast, grad_scaler, training_batches
        from nasperf360.training.loop import Losses, run_epochs
        from nasperf360.training.optimizers import make_optimizer
        from nasperf360.training.schedules import learning_rate

        task, settings, device = problem.task, problem.settings, problem.device
        train, _ = problem.dataset.tuning()
        task.fit(train)
        train = train.part(0, min(len(train), settings.get("max_samples", len(train))))
        loaders = [
            Loader(part, settings["batch_size"], device, MEMORY_BYTES, one_per_group=task.one_per_group)
            for part in ([train] if settings.get("split", "halves") == "same" else cut(task, train, 1, 2))
        ]
        weight_loader, architecture_loader = loaders[0], loaders[-1]
        torch.manual_seed(derive_seed(problem.seed, "supernet"))
        supernet = space.supernet().to(device)
        kept = self.start(supernet, settings)
        weights = supernet.weight_parameters()
        optimizer = make_optimizer(weights, settings)
        precision = settings.get("precision", "float32")
        scaler = grad_scaler(device, precision)

        def loss_of(batch: Batch) -> Tensor:
            with autocast(device, precision):
                output = supernet(task.inputs(batch))
            return task.loss(output.float(), batch)

        def one_epoch(epoch: int) -> Row:
            supernet.train()
            searching = epoch >= settings.get("architecture_after", 0)
            losses, architecture_losses = Losses("train_loss"), Losses("architecture_loss")
            others = architecture_batches(task, architecture_loader, problem.seed, epoch)
            for number, batch in enumerate(training_batches(task, weight_loader, problem.seed, epoch)):
                rate = learning_rate(settings, epoch, number, weight_loader.steps)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with supernet.fixed_architecture():
                    loss = loss_of(batch)
                    optimizer.zero_grad(set_to_none=True)
                    scaler.scale(loss).backward()
                losses.add(loss)
                scaler.unscale_(optimizer)  # type: ignore[arg-type]
                if clip := settings.get("clip"):
                    nn.utils.clip_grad_norm_(weights, clip)
                scaler.step(optimizer)  # type: ignore[arg-type]
                scaler.update()
                if searching:
                    loss, gradients = architecture_gradients(supernet, lambda: loss_of(next(others)), scaler)
                    architecture_losses.add(loss)
                    if gradients is not None:
                        self.step(supernet, gradients, settings)
            row = {"lr": rate, "train_loss": losses.mean(), "certainty": certainty(supernet)}
            return row | ({"architecture_loss": architecture_losses.mean()} if searching else {})

        history = run_epochs(
            one_epoch,
            settings["epochs"],
            {"supernet": supernet, "optimizer": optimizer, "scaler": scaler, **kept},
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
