"""FSD50K to networks: log-mel patches, masked at random, to logits of 200 binary labels."""

import torch

from nasperf360.tasks.fsd50k.spec import SPEC
from nasperf360.tasks.shared.binary_labels import BinaryLabels
from nasperf360.tasks.shared.task_training import Batch

MASK_SHARE = {2: 0.15, 3: 0.20}  # SpecAugment: largest share masked, of mel bands (axis 2) and frames (axis 3)


class FSD50K(BinaryLabels):
    """Log-mel patches (1, 96, 101)."""

    spec = SPEC

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """SpecAugment on half of the patches: one or two times, up to 15 % of the bands and 20 % of the frames.

        Masked values become the patch's minimum. Reference code, data_utils/audio_dataset.py; its padding and cropping
        to 101 frames do nothing to patches of that size.
        """
        x = batch["x"]
        count = len(x)
        chosen = torch.rand(count, generator=generator) < 0.5
        masks = torch.randint(1, 3, (count,), generator=generator) * chosen
        axes, bounds = [*MASK_SHARE, *MASK_SHARE], []
        for number, axis in enumerate(axes):
            size = x.shape[axis]
            share, place = torch.rand(2, count, generator=generator)
            width = (share * MASK_SHARE[axis] * size).long() * (masks > number // 2)
            start = (place * (size - width)).long()
            bounds.append(torch.stack([start, start + width])[:, :, None])
        masked = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
        for axis, (start, end) in zip(axes, torch.stack(bounds).to(x.device, non_blocking=True), strict=True):
            steps = torch.arange(x.shape[axis], device=x.device)
            inside = (steps >= start) & (steps < end)
            masked |= inside[:, None, :, None] if axis == 2 else inside[:, None, None, :]
        return {**batch, "x": torch.where(masked, x.amin(dim=(1, 2, 3), keepdim=True), x)}


TRAINING = FSD50K
