"""What the tasks with one label per sample share: cross-entropy."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from nasperf360.tasks.shared.task_training import Batch, TaskTraining


class Classification(TaskTraining):
    """A point task with one integer label per sample."""

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy of logits (B, classes) against ``y`` (B,)."""
        return cross_entropy(output, batch["y"].long())
