"""FSD50K to networks: log-mel patches, masked at random, to logits of 200 binary labels."""

import torch
from torch import Tensor

from nasperf360.data.datasets import Split
from nasperf360.errors import UserError
from nasperf360.settings.declaration import Settings
from nasperf360.tasks.fsd50k.spec import SPEC
from nasperf360.tasks.shared.binary_labels import BinaryLabels
from nasperf360.tasks.shared.task_training import Batch

MASK_SHARE = {2: 0.15, 3: 0.20}  # SpecAugment: largest share masked, of mel bands (axis 2) and frames (axis 3)
NOISY, LOUDEST = 0.75, 0.5  # share of the patches that noise is mixed into, and its largest weight


class FSD50K(BinaryLabels):
    """Log-mel patches (1, 96, 101)."""

    spec = SPEC

    def __init__(self, switches: Settings | None = None):
        super().__init__(switches)
        self.noise: Split | None = None

    def fit(self, train: Split) -> None:
        """Find the background noise beside the training split, unless it is switched off.

        Raises:
            UserError: it is asked for, but there is none.
        """
        self.noise = None if self.switches.noise is False else train.beside("noise")
        if self.switches.noise and self.noise is None:
            raise UserError(
                f"{train.groups[0].file.filename}: holds no background noise, which the switch 'noise' of fsd50k asks "
                f"for; take the data from source benchmark, or set it to null"
            )

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """SpecAugment on half of the patches, then noise on three of four, if there is some."""
        masked = self._masked(batch["x"], generator)
        return {**batch, "x": masked if self.noise is None else self._noisy(masked, self.noise, generator)}

    def _noisy(self, x: Tensor, noise: Split, generator: torch.Generator) -> Tensor:
        """(1 - a) x + a n of patches in decibels, a up to 0.5, n a random second; after the reference code."""
        count = len(x)
        chosen, weight = torch.rand(2, count, generator=generator)
        weight = torch.where(chosen < NOISY, LOUDEST * weight, 0.0)[:, None, None, None].to(x.device)
        rows = torch.randint(len(noise), (count,), generator=generator)
        return x + weight * (torch.from_numpy(noise.read("x", rows.numpy())).to(x.device) - x)

    def _masked(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """SpecAugment on half of the patches: one or two times, up to 15 % of the bands and 20 % of the frames.

        Masked values become the patch's minimum. Reference code, data_utils/audio_dataset.py; its padding and cropping
        to 101 frames do nothing to patches of that size.
        """
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
        return torch.where(masked, x.amin(dim=(1, 2, 3), keepdim=True), x)


TRAINING = FSD50K
