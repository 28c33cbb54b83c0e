"""FSD50K to networks: log-mel patches, masked at random, to logits of 200 binary labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nasperf360.data.datasets import Split, group_runs
from nasperf360.errors import UserError
from nasperf360.settings.declaration import Settings
from nasperf360.tasks.fsd50k.decibels import STEP
from nasperf360.tasks.fsd50k.spec import SPEC
from nasperf360.tasks.shared.binary_labels import BinaryLabels
from nasperf360.tasks.shared.task_training import Batch, sent

CPU = torch.device("cpu")
MASK_SHARE = {2: 0.15, 3: 0.20}  # SpecAugment: largest share masked, of mel bands (axis 2) and frames (axis 3)
NOISY, LOUDEST = 0.75, 0.5  # share of the patches that noise is mixed into, and its largest weight


class FSD50K(BinaryLabels):
    """Log-mel patches (1, 96, 101)."""

    spec = SPEC

    def __init__(self, switches: Settings | None = None):
        super().__init__(switches)
        self.noise: Noise | None = None

    def fit(self, train: Split) -> None:
        """Find the background noise beside the training split, unless it is switched off.

        Raises:
            UserError: it is asked for, but there is none; or the data are those of an earlier version, in decibels.
        """
        if train.groups[0]["x"].dtype.kind != "i":
            raise UserError(
                f"{train.groups[0].file.filename}: its patches are those of an earlier version of this pipeline, which "
                f"stored other units; preprocess fsd50k anew"
            )
        split = None if self.switches.noise is False else train.beside("noise")
        self.noise = None if split is None else Noise(split)
        if self.switches.noise and self.noise is None:
            raise UserError(
                f"{train.groups[0].file.filename}: holds no background noise, which the switch 'noise' of fsd50k asks "
                f"for; take the data from source benchmark, or set it to null"
            )

    def inputs(self, batch: Batch) -> Tensor:
        """In decibels, of patches in steps of whatever type."""
        return batch["x"] * STEP

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """SpecAugment, then noise mixed into three patches of four, if there is some; in steps.

        The reference code's padding and cropping to 101 frames do nothing to patches of that size.
        """
        x = batch["x"].float()
        count, _, mels, frames = x.shape
        x = masked(x, spec_augment(count, mels, frames, generator), x.amin(dim=(1, 2, 3)))
        return {**batch, "x": x if self.noise is None else self._noisy(x, self.noise, generator)}

    def _noisy(self, x: Tensor, noise: "Noise", generator: torch.Generator) -> Tensor:
        """(1 - a) x + a n of patches, a up to 0.5, n of a random clip; after the reference code."""
        count = len(x)
        chosen, weight = torch.rand(2, count, generator=generator)
        weight = sent(torch.where(chosen < NOISY, LOUDEST * weight, 0.0)[:, None, None, None], x.device)
        return x + weight * (noise.draw(count, x.shape[3], generator, x.device) - x)


class Noise:
    """Background noise: spectrograms of whole clips, frame by frame; at hand are only those that are drawn.

    Args:
        split: with ``x`` (1, mels, 1), ``group`` (clip), and the ``lowest`` value of the clip.
    """

    def __init__(self, split: Split):
        self.split = split
        starts, sizes = group_runs(split.load("group"))
        self.starts, self.sizes = torch.from_numpy(starts), torch.from_numpy(sizes)
        self.lowest = torch.from_numpy(split.read("lowest", starts))

    def __len__(self) -> int:
        """Clips."""
        return len(self.starts)

    def draw(self, count: int, frames: int, generator: torch.Generator, device: torch.device = CPU) -> Tensor:
        """Patches (count, 1, mels, frames), as stored: of a random clip, masked by SpecAugment, a random crop.

        Masks are drawn on the whole clip, as in the reference code, so that a crop sees all of one, a part or none.
        """
        clip = torch.randint(len(self), (count,), generator=generator)
        size = self.sizes[clip]
        bounds = spec_augment(count, self.split.shape("x")[1], size, generator)
        first = (torch.rand(count, generator=generator) * (size - frames + 1)).long()
        # Crops may overlap: each frame is read once.
        rows, place = (self.starts[clip, None] + first[:, None] + torch.arange(frames)).unique(return_inverse=True)
        crops = torch.from_numpy(self.split.read("x", rows.numpy()))[place].reshape(count, 1, frames, -1)
        bounds = [(axis, bound - first if axis == 3 else bound) for axis, bound in bounds]
        return masked(sent(crops, device).transpose(2, 3), bounds, sent(self.lowest[clip], device))


Bounds = Sequence[tuple[int, Tensor]]
"""Axes, and on each where a mask of each sample starts and ends (2, count)."""


def spec_augment(count: int, mels: int, frames: Tensor | int, generator: torch.Generator) -> Bounds:
    """Masks of SpecAugment for half of the samples: one or two times, up to 15 % of the bands and 20 % of the frames.

    Reference code, data_utils/audio_dataset.py.

    Args:
        count: samples.
        mels: bands.
        frames: of each sample, or of all.
        generator: draws.
    """
    chosen = torch.rand(count, generator=generator) < 0.5
    masks = torch.randint(1, 3, (count,), generator=generator) * chosen
    sizes: dict[int, Tensor | int] = {2: mels, 3: frames}
    bounds = []
    for number, axis in enumerate([*MASK_SHARE, *MASK_SHARE]):
        share, place = torch.rand(2, count, generator=generator)
        width = (share * MASK_SHARE[axis] * sizes[axis]).long() * (masks > number // 2)
        start = (place * (sizes[axis] - width)).long()
        bounds.append((axis, torch.stack([start, start + width])))
    return bounds


def masked(x: Tensor, bounds: Bounds, values: Tensor) -> Tensor:
    """Patches (B, 1, mels, frames) that have in their masks a value (B,), each its own."""
    axes, places = zip(*bounds, strict=True)
    within = {axis: torch.zeros(len(x), x.shape[axis], dtype=torch.bool, device=x.device) for axis in MASK_SHARE}
    for axis, (start, end) in zip(axes, sent(torch.stack(places)[..., None], x.device), strict=True):
        steps = torch.arange(x.shape[axis], device=x.device)
        within[axis] |= (steps >= start) & (steps < end)
    inside = within[2][:, None, :, None] | within[3][:, None, None, :]
    return torch.where(inside, values[:, None, None, None], x)


TRAINING = FSD50K
