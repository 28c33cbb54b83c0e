"""The loss on samples held out, looked at between epochs: training goes the same way with and without it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nasperf360.data.datasets import Split, group_starts
from nasperf360.seeds import generator
from nasperf360.tasks.shared.task_training import TaskTraining
from nasperf360.training.batches import Loader
from nasperf360.training.loop import Row
from nasperf360.training.settings import Precision
from nasperf360.training.step import autocast


class Validation:
    """The task's loss, never its metric: so a changed metric trains nothing again.

    Where an epoch of training visits one sample of each group, so does this, always the same ones.

    Args:
        model: what is trained; supernets too.
        task: fitted.
        valid: samples that are no part of the training.
        every: how many epochs lie between two looks; 0: never, and then nothing is loaded.
        batch_size: of the training. Losses that are summed over a batch compare with no other.
        device: where the model is.
        precision: of the forward pass; None: float32.
    """

    def __init__(
        self,
        model: nn.Module,
        task: TaskTraining,
        valid: Split,
        every: int,
        batch_size: int,
        device: torch.device,
        precision: Precision | None = None,
    ):
        self.model, self.task, self.every = model, task, every
        self.device, self.precision = device, precision
        self.loader: Loader | None = None
        if every:
            grouped = task.spec.one_per_group
            count = len(group_starts(valid.load("group"))) if grouped else len(valid)
            self.loader = Loader(valid, min(batch_size, count), device, one_per_group=grouped)

    def after(self, epoch: int) -> Row:
        """``valid_loss`` after each ``every``-th epoch, counted from 0, and nothing after the others."""
        if self.loader is None or (epoch + 1) % self.every:
            return {}
        return {"valid_loss": self._loss(self.loader)}

    @torch.no_grad()
    def _loss(self, loader: Loader) -> float:
        """Mean over batches, each weighed by its samples."""
        losses, samples = [], 0
        batches = loader.shuffled(generator("validation")) if self.task.spec.one_per_group else loader.in_order()
        with unchanged(self.model, self.device):
            for batch in loader.ahead(batches):
                with autocast(self.device, self.precision):
                    output = self.model(self.task.inputs(batch))
                losses.append(len(batch["y"]) * self.task.loss(output.float(), batch).double())
                samples += len(batch["y"])
        return float(torch.stack(losses).sum()) / samples


@contextmanager
def unchanged(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within, a model is in evaluation mode; after it, model and torch's global generators are as before."""
    training = model.training
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.eval()
        try:
            yield
        finally:
            model.train(training)
