"""Initial weights of WRN and DenseNAS."""

from torch import nn


def init_convolutions(module: nn.Module) -> None:
    """Kaiming-normal convolutions (fan out); linear layers stay as torch draws them."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
