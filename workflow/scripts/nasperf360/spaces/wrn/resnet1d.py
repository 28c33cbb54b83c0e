"""The 1-D residual network that stands for WRN on 1-D tasks (the time-series ResNet of Wang et al. 2017).

Source: reference code, backbone_1d/backbone_1d.py; not a wide ResNet, whatever the paper's table says.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Convolution of odd or even kernel with the input's length (one more zero on the right if even), BN, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int):
        super().__init__()
        # Inside the convolution where it can be: outside, every input is copied.
        self.uneven = kernel % 2 == 0
        self.conv = nn.Conv1d(channels_in, channels_out, kernel, padding=(kernel - 1) // 2)
        self.norm = nn.BatchNorm1d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.norm(self.conv(F.pad(x, (0, 1)) if self.uneven else x)))


class ResidualBlock(nn.Module):
    """Kernels 8, 5, 3; a projected shortcut where the width changes, and none at all where it does not."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        widths = (channels_in, channels_out, channels_out)
        self.layers = nn.Sequential(
            *(ConvBlock(width, channels_out, kernel) for width, kernel in zip(widths, (8, 5, 3), strict=True))
        )
        self.shortcut = (
            nn.Sequential(nn.Conv1d(channels_in, channels_out, 1), nn.BatchNorm1d(channels_out))
            if channels_in != channels_out
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) if self.shortcut is None else self.layers(x) + self.shortcut(x)


class ResNet1d(nn.Module):
    """Three residual blocks of ``width``, 2 ``width``, 2 ``width`` channels, mean over time, one linear layer.

    Maps (B, channels, L) to (B, outputs).
    """

    def __init__(self, channels: int, outputs: int, *, width: int):
        super().__init__()
        self.blocks = nn.Sequential(
            ResidualBlock(channels, width), ResidualBlock(width, 2 * width), ResidualBlock(2 * width, 2 * width)
        )
        self.head = nn.Linear(2 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean(-1))
