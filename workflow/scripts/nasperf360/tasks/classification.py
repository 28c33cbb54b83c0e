"""What the single-label point tasks share: cross-entropy, and the 0-1 error in percent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from nasperf360.tasks.base import Metric, Task

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from nasperf360.tasks.base import Batch


class Classification(Task):
    """A point task with one integer label per sample; subclasses say how the raw files become samples."""

    kind: ClassVar[Literal["point", "dense"]] = "point"
    metric: ClassVar[Metric] = Metric("0-1 error %", higher_is_better=False)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy of logits (B, classes) against ``y`` (B,)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(output, batch["y"].long())

    def score(self, outputs: np.ndarray, extras: Mapping[str, np.ndarray]) -> dict[str, float]:
        """100 - top-1 accuracy in percent, of logits (N, classes) against ``y`` (N,)."""
        return {"value": 100.0 * float((outputs.argmax(axis=1) != extras["y"]).mean())}
