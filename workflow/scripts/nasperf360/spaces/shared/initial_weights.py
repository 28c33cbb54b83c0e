"""Initial weights of WRN and DenseNAS."""

from torch import nn


def init_convolutions(module: nn.Module) -> None:
    """Kaiming-normal convolutions (fan out), zero biases of linear layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
