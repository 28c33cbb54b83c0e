"""The network that an Auto-DeepLab architecture describes: encoder, ASPP, decoder.

Source: Liu et al. 2019; reference code, autodeeplab/retrain_model/.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nasperf360.spaces.autodl.encoding import NODES
from nasperf360.spaces.autodl.level_paths import LEVELS
from nasperf360.spaces.autodl.parts import ImagePool, conv_norm_relu, initialise, level_sizes, stem_layer
from nasperf360.spaces.autodl.resize import crop, pad, resize
from nasperf360.spaces.shared.evaluation_cell import Cell, EvaluationCell
from nasperf360.spaces.shared.operations import Layers

LOW_LEVEL = 3  # the decoder also sees the output of this layer, counted from 1
DILATIONS = (6, 12, 18)


class Encoder(nn.Module):
    """Stem and cells along a path of levels.

    Args:
        input_channels: of the input.
        path: level of each layer.
        cell: two (operation, input) pairs per node.
        width: channels per node at level 0.
        stem: channels of the stem's output.
    """

    def __init__(self, input_channels: int, path: Sequence[int], cell: Cell, width: int, stem: int):
        super().__init__()
        self.path = path
        self.stem0 = nn.Sequential(stem_layer(input_channels, stem // 2, 2), stem_layer(stem // 2, stem // 2))
        self.stem1 = stem_layer(stem // 2, stem, 2)
        layers = Layers(2, {"affine": False})
        self.cells = nn.ModuleList()
        before, last = stem // 2, stem
        for level in path:
            channels = width << level
            self.cells.append(
                EvaluationCell(
                    cell, (before, last), channels, reduce=False, after_reduce=False, layers=layers, preprocess=layers
                )
            )
            if before == channels:
                # As published: what has the cell's width already is not projected. Neither normalised nor activated,
                # the outer maps of the stem enter so where the first cell is at level 1, at paper scale.
                self.cells[-1].preprocess0 = nn.Identity()
            before, last = last, NODES * channels
        self.channels = last

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the third and of the last cell."""
        sizes = level_sizes(x.shape[2], x.shape[3], LEVELS)
        s0 = self.stem0(x)
        s1 = low_level = self.stem1(s0)
        for number, (level, cell) in enumerate(zip(self.path, self.cells, strict=True), start=1):
            s0, s1 = s1, cell(resize(s0, sizes[level]), resize(s1, sizes[level]), 0.0)
            if number == LOW_LEVEL:
                low_level = s1
        return low_level, s1


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1x1 and three dilated convolutions and the pooled image, joined."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.branches = nn.ModuleList([conv_norm_relu(channels, width)])
        self.branches.extend(conv_norm_relu(channels, width, 3, dilation) for dilation in DILATIONS)
        self.branches.append(ImagePool(channels, width))
        self.join = conv_norm_relu(len(self.branches) * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([branch(x) for branch in self.branches], 1))


class EvaluationNetwork(nn.Module):
    """Maps (B, channels, H, W) to (B, outputs, H, W), of any size.

    Args:
        input_channels: of the input.
        outputs: channels per pixel.
        path: level of each layer.
        cell: two (operation, input) pairs per node.
        width: channels per node at level 0.
        stem: channels of the stem's output.
        aspp: channels of the ASPP and the decoder.
        low_level: channels that the decoder takes from the third layer.
        dropout: after the first and the second convolution of the decoder.
        pad_to: images are padded to a multiple of it, and the output cut back.
    """

    def __init__(
        self, input_channels: int, outputs: int, *, path: Sequence[int], cell: Cell, width: int, stem: int, aspp: int,
        low_level: int, dropout: Sequence[float], pad_to: int,
    ):  # fmt: skip
        super().__init__()
        self.pad_to = pad_to
        self.encoder = Encoder(input_channels, path, cell, width, stem)
        self.aspp = ASPP(self.encoder.channels, aspp)
        self.low_level = conv_norm_relu(NODES * width << path[LOW_LEVEL - 1], low_level)
        self.decoder = nn.Sequential(
            conv_norm_relu(aspp + low_level, aspp, 3),
            nn.Dropout(dropout[0]),
            conv_norm_relu(aspp, aspp, 3),
            nn.Dropout(dropout[1]),
            nn.Conv2d(aspp, outputs, 1),
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = pad(x, self.pad_to)
        low, high = self.encoder(x)
        low = self.low_level(low)
        decoded = self.decoder(torch.cat([resize(self.aspp(high), (low.shape[2], low.shape[3])), low], 1))
        return crop(resize(decoded, (x.shape[2], x.shape[3])), height, width, self.pad_to)
