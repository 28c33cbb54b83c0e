"""CIFAR-100 to networks: normalised images, cropped, flipped and cut out at random."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from nasperf360.tasks.cifar100.spec import SPEC
from nasperf360.tasks.shared.classification import Classification
from nasperf360.tasks.shared.task_training import Batch, sent

MEAN = (0.5071, 0.4867, 0.4408)  # per channel, of values in [0, 1] (reference code, backbone/utils_pt.py)
STD = (0.2675, 0.2565, 0.2761)
PADDING = 4  # pixels on each side, for the random crop
CUTOUT = 16  # side of the blanked square, pixels


class Cifar100(Classification):
    """Images (3, 32, 32), 100 classes."""

    spec = SPEC

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Random crop of the image padded with 4 black pixels, horizontal flip, and a square of the mean colour.

        The mean colour is zero after normalisation, so the square is the Cutout of the reference code, which comes
        after normalisation. ``x`` is float32 then, still in the range 0 to 255.
        """
        x = batch["x"]
        count, channels, height, width = x.shape

        highest = [2 * PADDING + 1, 2 * PADDING + 1, 2]
        highest += [height, width] if self.switches.cutout else []
        drawn = torch.stack([torch.randint(high, (count, 1), generator=generator) for high in highest])
        top, left, flip, *centre = sent(drawn, x.device)
        row, column = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        source_row = top + row
        source_column = left + torch.where(flip == 1, width - 1 - column, column)
        place = source_row[:, :, None] * (width + 2 * PADDING) + source_column[:, None, :]
        padded = pad(x, (PADDING,) * 4).flatten(2)
        changed = padded.gather(2, place.reshape(count, 1, -1).expand(-1, channels, -1)).view_as(x).float()
        if self.switches.cutout:
            half = CUTOUT // 2  # the square may reach over the border, as in the reference code
            from_row, from_column = centre[0] - half, centre[1] - half
            in_rows = (row >= from_row) & (row < from_row + CUTOUT)
            in_columns = (column >= from_column) & (column < from_column + CUTOUT)
            square = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
            changed = torch.where(square, _per_channel(MEAN, x.device), changed)
        return {**batch, "x": changed}

    def inputs(self, batch: Batch) -> Tensor:
        """Normalised by the constants of the reference code."""
        x = batch["x"]
        return (x - _per_channel(MEAN, x.device)) / _per_channel(STD, x.device)


@cache
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Constants of the range [0, 1] as float32 (3, 1, 1) in the range 0 to 255; sent to a device once."""
    with torch.inference_mode(False):  # kept, and used in training, too
        return 255.0 * torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


TRAINING = Cifar100
