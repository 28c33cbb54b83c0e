"""One step of a network's weights: mixed precision, scaled loss, clipped gradients; for all that trains."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nasperf360.tasks.shared.task_training import Batch, TaskTraining
from nasperf360.training.hooks import PenalisesWeights, ProjectsWeights
from nasperf360.training.optimizers import zero_missing_gradients
from nasperf360.training.settings import Precision


def autocast(device: torch.device, precision: Precision | None) -> AbstractContextManager[Any]:
    """Mixed precision: bfloat16 or float16 on the device; none for float32, None and tf32.

    From here on, for the backward pass comes later, a GPU computes products of float32 as the precision says.
    """
    products = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]  # tf32 by torch's default
    lower = precision in ("bfloat16", "float16")
    return torch.autocast(device.type, dtype=getattr(torch, precision or "") if lower else None, enabled=lower)


class WeightSteps:
    """Takes the steps of a network's weights; a checkpoint holds its state.

    Args:
        model: the network; one that :class:`ProjectsWeights` does so after each step, one that
            :class:`PenalisesWeights` does so in the loss.
        task: fitted; gives inputs and loss.
        optimizer: of the weights, which may be some of the parameters.
        device: where all of them are.
        precision: of the forward pass; None: float32.
        clip: largest norm of the gradient of the weights; 0 or None: any.
        unused: weights that no step used so far have gradient zero, as those have that some step used.
    """

    def __init__(
        self,
        model: nn.Module,
        task: TaskTraining,
        optimizer: Optimizer,
        device: torch.device,
        precision: Precision | None = None,
        clip: float | None = None,
        *,
        unused: bool = False,
    ):
        self.model, self.task, self.optimizer = model, task, optimizer
        self.device, self.precision, self.clip, self.unused = device, precision, clip, unused
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self.penalty = model.penalty if isinstance(model, PenalisesWeights) else None
        self.project = model.project_weights if isinstance(model, ProjectsWeights) else None
        # It scales losses for float16, whose smallest numbers gradients fall below, and does nothing for the others.
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")

    def loss(self, batch: Batch) -> Tensor:
        """The task's loss on a batch, in float32, and the network's penalty."""
        with autocast(self.device, self.precision):
            output = self.model(self.task.inputs(batch))
        loss = self.task.loss(output.float(), batch)
        return loss + self.penalty() if self.penalty else loss

    def step(self, batch: Batch, rate: float) -> Tensor:
        """One step on a batch, at that learning rate; returns the loss before it, which may not be finite."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(batch)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        zero_missing_gradients(self.optimizer, unused=self.unused)
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.weights, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.project:
            self.project()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Of optimiser and scaler; the model's is its own."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
