"""A synthetic task that notes which samples a training sees, and plain loops that train on what it noted.

The loops take batches from the notes, so they rest on nothing of the library's loaders, optimisers, schedules or steps.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import synthetic
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.tasks.shared.task_training import Batch

CPU = torch.device("cpu")
FIRST = {"train": 0, "valid": 1000, "test": 2000}
"""The number of the first sample of each split; the field ``number`` counts on from there."""


class RecordedTask(synthetic.SyntheticTask):
    """Notes each batch that a loss is computed of, and the samples of each batch that is predicted.

    Its augmentation adds noise from the generator that it is given, where ``noise`` says how much. ``fitted`` names the
    splits that it was fitted to.
    """

    def __init__(self, dimensions: int = 1, noise: float = 0.0, **changes: Any):
        super().__init__(dimensions, **changes)
        self.noise, self.batches, self.predicted, self.fitted = noise, list[Batch](), list[Tensor](), list[str]()

    def fit(self, train: Any) -> None:
        self.fitted.append(train.name)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch["x"].shape, generator=generator)
        return {**batch, "x": batch["x"] + self.noise * noise}

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        self.batches.append({name: value.clone() for name, value in batch.items()})
        return super().loss(output, batch)

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        self.predicted.append(batch["number"].clone())
        return super().predict(model, batch)

    def seen(self) -> list[int]:
        """Numbers of all samples that a loss was computed of, in order."""
        return [int(number) for batch in self.batches for number in batch["number"]]


@dataclass
class Recorded:
    """The task and its data."""

    task: RecordedTask
    dataset: Dataset

    @property
    def signature(self) -> Any:
        return self.task.signature(self.dataset.split("train").shape("x"))


def recorded(folder: Path, samples: Mapping[str, int], dimensions: int = 1, noise: float = 0.0) -> Recorded:
    """Synthetic data with numbered samples, below ``folder``."""
    rng, shape = np.random.default_rng(0), (3, 12, 12)[: dimensions + 1]
    with DatasetWriter(folder / "recorded.h5", task="recorded", origin="simulated", licence="none") as writer:
        for name, count in samples.items():
            x, y = synthetic.draw(rng, count, shape, dense=False)
            split = writer.split(name, x=(shape, "float32"), y=((), "int64"), number=((), "int64"), classes=2)
            split.append(x=x, y=y, number=FIRST[name] + np.arange(count))
    return Recorded(RecordedTask(dimensions, noise), Dataset(folder / "recorded.h5"))


@dataclass
class Births:
    """Copies of networks as they were at their first forward pass in training: where a plain loop starts."""

    networks: list[tuple[nn.Module, nn.Module]] = field(default_factory=list)

    def watch(self, network: Any) -> Any:
        """Note the state of a network at its first training pass; returns the network."""

        def note(module: nn.Module, _: Any) -> None:
            if module.training:
                handle.remove()
                self.networks.append((module, copy.deepcopy(module).requires_grad_(True)))  # a step may fix some

        handle = network.register_forward_pre_hook(note)
        return network


def plain_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    rates: Iterable[float],
    clip: float | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> list[float]:
    """Cross-entropy, torch's own optimiser and clipping; returns the losses."""
    losses = []
    model.train()
    for batch, rate in zip(batches, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch["x"]), batch["y"])
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_([weight for group in optimizer.param_groups for weight in group["params"]], clip)
        optimizer.step()
        after_step()
        losses.append(float(loss.detach()))
    return losses


def plain_outputs(model: nn.Module, dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of a network in evaluation mode for a split, and its labels."""
    model.eval()
    with torch.no_grad():
        x = torch.from_numpy(dataset.split(split).load("x"))
        return model(x).numpy(), dataset.split(split).load("y")


def plain_error(model: nn.Module, dataset: Dataset, split: str) -> float:
    """Percent of the samples of a split with a wrong label."""
    outputs, labels = plain_outputs(model, dataset, split)
    return 100 * float((outputs.argmax(1) != labels).mean())


def half_cosine(lr: float, final: float, position: float) -> float:
    """Half a cosine wave from ``lr`` at 0 to ``final`` at 1."""
    return final + (lr - final) * 0.5 * (1 + math.cos(math.pi * position))


def assert_equal_weights(ours: nn.Module, plain: nn.Module, tolerance: float = 1e-6) -> None:
    """Every weight and buffer, absolutely."""
    theirs = plain.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=tolerance, msg=lambda text, name=name: name + text)
