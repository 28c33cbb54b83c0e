"""Cosmic to networks: image to a mask of cosmic rays, under random skies."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nasperf360.tasks.cosmic.spec import SPEC
from nasperf360.tasks.shared.task_training import Batch, TaskTraining, sent


class Cosmic(TaskTraining):
    """One logit per pixel: is it hit by a cosmic ray?"""

    spec = SPEC

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Another sky: the image plus -0.9 to 3 times its sky level. Reference code: on test images too; here not."""
        factor = torch.rand(len(batch["sky"]), generator=generator) * 3.9 - 0.9
        extra = batch["sky"] * sent(factor, batch["sky"].device)
        return {**batch, "x": batch["x"] + extra[:, None, None, None]}

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy over all pixels; an ignored one counts as logit 0, target 0, a constant log 2."""
        used = 1 - batch["ignore"].float()
        return binary_cross_entropy_with_logits(output * used, batch["y"].float() * used)


TRAINING = Cosmic
