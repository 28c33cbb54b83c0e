"""What the tasks with several binary labels per sample share: binary cross-entropy."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nasperf360.tasks.shared.task_training import Batch, TaskTraining


class BinaryLabels(TaskTraining):
    """A point task with several binary labels per sample."""

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Binary cross-entropy of logits (B, labels) against ``y`` (B, labels), mean over samples and labels."""
        return binary_cross_entropy_with_logits(output, batch["y"].float())
