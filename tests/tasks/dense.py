"""What the tests of the dense tasks share: from simulated raw files to a data set, and a tiny network trained on it."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.seeds import generator
from nasperf360.tasks import get_task


def simulate(name: str, folder: Path, options: dict[str, Any]) -> RawFiles:
    """Simulated raw files, listed by their manifest."""
    simulator = importlib.import_module(f"nasperf360.simulators.{name}")
    files = simulator.simulate(folder, options, generator(name, "test"))
    return listed(name, folder, files)


def listed(name: str, folder: Path, files: list[tuple[Path, str, dict[str, Any]]]) -> RawFiles:
    """Raw files after their manifest was written."""
    write_manifest(folder / "files.json", name, "simulated", "none", files)
    return RawFiles.open(folder / "files.json")


def prepare(name: str, raw: RawFiles, path: Path, options: dict[str, Any]) -> Dataset:
    """The data set that a task makes of raw files."""
    with DatasetWriter(path, task=name, origin=raw.origin, licence=raw.licence) as writer:
        get_task(name).prepare(raw, writer, options)
    return Dataset(path)


def tensors(split, rows=slice(None)) -> dict[str, torch.Tensor]:
    """Fields of a split as tensors."""
    return {field: torch.from_numpy(split.load(field)[rows]) for field in split.fields}


def evaluate(task, model: nn.Module, split, size: int = 16) -> dict[str, float]:
    """Score of a model on a split."""
    model.eval()
    outputs = []
    with torch.no_grad():
        for start in range(0, len(split), size):
            outputs.append(task.predict(model, tensors(split, slice(start, start + size))).numpy())
    return task.score(np.concatenate(outputs).astype(np.float32), split.extras())


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
