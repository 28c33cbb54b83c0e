"""What the tests of the dense tasks share: a tiny network trained on a data set, and what it is worth."""

import numpy as np
import torch
from task_rooms import scores
from torch import nn


def tensors(split, rows=slice(None)) -> dict[str, torch.Tensor]:
    """Fields of a split as tensors."""
    return {field: torch.from_numpy(split.load(field)[rows]) for field in split.fields}


def evaluate(task, model: nn.Module, split, size: int = 16) -> dict[str, float]:
    """Scores of a model on a split."""
    model.eval()
    outputs = []
    with torch.no_grad():
        for start in range(0, len(split), size):
            outputs.append(task.predict(model, tensors(split, slice(start, start + size))).numpy())
    return scores(task.spec.name, np.concatenate(outputs).astype(np.float32), split.targets())


def train(task, split, steps: int, batch: int = 16, width: int = 16, lr: float = 0.05) -> nn.Module:
    """A small stride-free convolutional network, trained by SGD with momentum."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    task.fit(split)
    signature = task.signature(split.shape("x"))
    layers: list[nn.Module] = []
    channels = signature.input_shape[0]
    for dilation in (1, 2, 4):
        layers += [nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    model = nn.Sequential(nn.BatchNorm2d(signature.input_shape[0]), *layers, nn.Conv2d(width, signature.outputs, 1))
    data, draws = tensors(split), torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    for _ in range(steps):
        rows = torch.randperm(len(split), generator=draws)[:batch]
        chosen = task.augment({field: values[rows] for field, values in data.items()}, draws)
        optimiser.zero_grad()
        task.loss(model(task.inputs(chosen)), chosen).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return model


class Constant(nn.Module):
    """Predicts one value everywhere."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((len(x), 1, *x.shape[2:]), self.value)
