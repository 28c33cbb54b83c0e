"""Parameters and multiply-adds of a network."""

import math

import torch
from torch import Tensor, nn


def count_parameters(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_multiply_adds(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-adds of convolutions and linear layers for one sample of ``input_shape``, in evaluation mode."""
    total = 0

    def add(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        per_output = math.prod(weight.shape[1:])
        total += output[0].numel() * per_output

    counted = (nn.Conv1d, nn.Conv2d, nn.Linear)
    handles = [module.register_forward_hook(add) for module in model.modules() if isinstance(module, counted)]
    training = model.training
    try:
        model.eval()
        device = next(model.parameters()).device
        with torch.no_grad():
            model(torch.zeros(1, *input_shape, device=device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return total
