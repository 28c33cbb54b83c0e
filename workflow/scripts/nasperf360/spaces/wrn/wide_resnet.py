"""Wide ResNet (Zagoruyko and Komodakis 2016), for point tasks and, without strides, for dense tasks.

Source: paper section 4.1; reference code, backbone/backbone_pt.py and backbone/backbone_grid_wrn.py.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.shared.initial_weights import init_convolutions


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-dropout-conv; a changed width takes a 1x1 shortcut from the activated input."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, dropout: float):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.dropout = dropout
        self.shortcut = (
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False) if channels_in != channels_out else None
        )

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        residual = F.relu(self.norm2(self.conv1(active)))
        residual = F.dropout(residual, self.dropout, self.training)
        return self.conv2(residual) + (x if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """WRN-``depth``-``widen``.

    Args:
        channels: of the input (B, channels, H, W).
        outputs: classes, or channels per pixel.
        depth: 6 n + 4, at least 10.
        widen: factor of the widths 16, 32, 64.
        width: of the stem and, times 1, 2, 4 and ``widen``, of the groups; 16 as published.
        dropout: between the convolutions of a block.
        dense: no strides and a linear head per pixel, (B, outputs, H, W); else (B, outputs).
        pooling: ``global``, or the side of the window whose average the published head reads: its 8 x 8 window on
            Spherical's 15 x 15 map sees the top left corner only (docs/protocol.md).
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        depth: int,
        widen: int,
        width: int,
        dropout: float,
        dense: bool,
        pooling: Literal["global"] | int,
    ):
        super().__init__()
        blocks = (depth - 4) // 6
        layers: list[nn.Module] = []
        channels_in = width
        for group, stride in enumerate((1, 2, 2)):
            channels_out = width * widen * 2**group
            for block in range(blocks):
                layers.append(
                    PreActivationBlock(channels_in, channels_out, stride if block == 0 and not dense else 1, dropout)
                )
                channels_in = channels_out
        self.stem = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(channels_in)
        self.head = nn.Linear(channels_in, outputs)
        self.dense, self.pooling = dense, pooling
        init_convolutions(self)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and not self.dense:
            # Channels innermost: an eighth less of a CPU's time, measured; dense networks gain nothing by it.
            x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.norm(self.blocks(self.stem(x))))
        if self.dense:
            return self.head(x.movedim(1, -1)).movedim(-1, 1)
        if self.pooling == "global":
            return self.head(x.mean((2, 3)))
        return self.head(x[:, :, : self.pooling, : self.pooling].mean((2, 3)))
