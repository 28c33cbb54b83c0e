"""What tests of tasks share: simulated or given raw files to a data set, and a short training of a small network."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.seeds import generator
from nasperf360.tasks import get_task

RawList = list[tuple[Path, str, dict[str, Any]]]


def simulate(task: str, folder: Path, options: Mapping[str, Any]) -> RawFiles:
    """Simulated raw files of a task in ``folder``, with their manifest."""
    files = import_module(f"nasperf360.simulators.{task}").simulate(folder, options, generator(task, "simulate"))
    return list_raw(task, folder, files, "simulated")


def list_raw(task: str, folder: Path, files: RawList, origin: str = "original") -> RawFiles:
    """Raw files with a freshly written manifest in ``folder``."""
    write_manifest(folder / "files.json", task, origin, "test", files)
    return RawFiles.open(folder / "files.json")


def prepare(raw: RawFiles, path: Path, options: Mapping[str, Any]) -> Dataset:
    """The data set that a task makes of raw files."""
    with DatasetWriter(path, task=raw.task, origin=raw.origin) as writer:
        get_task(raw.task).prepare(raw, writer, options)
    return Dataset(path)


class Linear(nn.Module):
    """Logistic regression on standardised, flattened inputs."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def small_network(dimensions: int, outputs: int, width: int = 12) -> nn.Module:
    """Three strided convolutions, mean over space, one linear layer."""
    conv, norm, pool = (
        (nn.Conv1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d)
        if dimensions == 1
        else (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d)
    )
    layers: list[nn.Module] = []
    for inputs, channels in ((1, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [conv(inputs, channels, 7 if dimensions == 1 else 3, 2, 1), norm(channels), nn.ReLU()]
    return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(2 * width, outputs))


def final_score(data: Dataset, model: nn.Module, steps: int, lr: float) -> dict[str, float]:
    """Train on the final training split for ``steps`` batches of 64 and score the final test split."""
    task = get_task(data.manifest["task"])
    train, test = data.final(task.merge_valid)
    task.fit(train)
    x, y = (torch.from_numpy(train.load(field)) for field in ("x", "y"))
    draws = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=draws)
        batch = task.augment({"x": x[rows], "y": y[rows]}, draws)
        optimizer.zero_grad()
        task.loss(model(task.inputs(batch)), batch).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        parts = torch.from_numpy(test.load("x")).split(256)
        outputs = torch.cat([task.predict(model, {"x": part}) for part in parts])
    return task.score(outputs.numpy(), test.extras())
