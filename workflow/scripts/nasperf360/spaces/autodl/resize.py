"""Bilinear resizing of feature maps, and padding of images that fixed strides do not divide."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, H, W) bilinearly resized, corner pixels onto corner pixels.

    Two matrix products: unlike torch's own function they are deterministic on GPUs backwards, too.
    """
    if x.shape[2] != size[0]:
        rows = interpolation(x.shape[2], size[0], x.device, x.dtype)
        maps = x.flatten(0, 1)
        x = torch.bmm(rows.expand(len(maps), -1, -1), maps).unflatten(0, x.shape[:2])
    if x.shape[3] != size[1]:
        x = x @ interpolation(x.shape[3], size[1], x.device, x.dtype).T
    return x


@cache
def interpolation(source: int, target: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Weights (target, source) of linear interpolation between ``source`` points, ends onto ends."""
    positions = np.linspace(0, source - 1, target)
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(source)))
    with torch.inference_mode(False):  # cached, and used in training, too
        return torch.tensor(weights, dtype=dtype, device=device)


def pad(x: Tensor, multiple: int) -> Tensor:
    """Images (B, C, H, W) with zeros on all sides, up to the next multiple; the larger half before the image."""
    before_h, after_h = _padding(x.shape[2], multiple)
    before_w, after_w = _padding(x.shape[3], multiple)
    return F.pad(x, (before_w, after_w, before_h, after_h)) if before_h or before_w else x


def crop(x: Tensor, height: int, width: int, multiple: int) -> Tensor:
    """The inverse of :func:`pad`."""
    top, left = _padding(height, multiple)[0], _padding(width, multiple)[0]
    return x[:, :, top : top + height, left : left + width]


def _padding(length: int, multiple: int) -> tuple[int, int]:
    total = -length % multiple
    return total - total // 2, total // 2
