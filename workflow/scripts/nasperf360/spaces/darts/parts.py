"""What the supernet and the networks found in the DARTS space share."""

from dataclasses import replace

from torch import nn

from nasperf360.spaces.shared.operations import Layers


def reductions(depth: int, dense: bool) -> tuple[int, ...]:
    """Positions of the reduction cells: at a third and two thirds of the depth; none for dense tasks."""
    return () if dense else (depth // 3, 2 * depth // 3)


def make_stem(channels_in: int, channels_out: int, stride: int, layers: Layers) -> nn.Sequential:
    """A 3x3 convolution and a default batch normalisation, no ReLU."""
    return nn.Sequential(
        layers.conv(channels_in, channels_out, 3, stride), replace(layers, norm={}).batch_norm(channels_out)
    )
