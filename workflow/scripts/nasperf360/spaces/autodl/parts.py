"""What the search network and the networks found in the Auto-DeepLab space share.

Source: Liu et al. 2019; reference code, autodeeplab/operations.py, retrain_model/.
"""

import torch
from torch import Tensor, nn

STEM_STRIDE = 4  # of level 0


def stem_layer(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution with bias, batch normalisation, ReLU."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, stride, 1), nn.BatchNorm2d(channels_out), nn.ReLU())


def conv_norm(
    channels_in: int, channels_out: int, kernel: int = 1, dilation: int = 1, *, eps: float = 1e-5
) -> nn.Sequential:
    """Convolution that keeps the size, and batch normalisation."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, 1, padding, dilation, bias=False),
        nn.BatchNorm2d(channels_out, eps=eps),
    )


def conv_norm_relu(channels_in: int, channels_out: int, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, ReLU."""
    return conv_norm(channels_in, channels_out, kernel, dilation).append(nn.ReLU())


class ImagePool(nn.Module):
    """What a branch makes of the mean over all pixels, at every pixel."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.branch = conv_norm_relu(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Weights of all convolutions by He's normal distribution, but of the stems, which stay as torch draws them.

    As in the reference: the stems' weights are 2.4 times smaller.
    """
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4 and not name.removeprefix("encoder.").startswith(("stem", "architecture.")):
            nn.init.kaiming_normal_(parameter)


def level_sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """Sizes of the feature maps of each level, for an image that the largest stride divides."""
    strides = [STEM_STRIDE << level for level in range(levels)]
    return [(height // stride, width // stride) for stride in strides]
