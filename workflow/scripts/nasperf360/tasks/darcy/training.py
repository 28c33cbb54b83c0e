"""Darcy Flow to networks: coefficient to solution, both normalised point by point.

Reference code, backbone/data_utils and utils_grid.py: pointwise normalisation of both, two coordinate channels, loss
summed over the batch.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from nasperf360.data.datasets import Split
from nasperf360.errors import UserError
from nasperf360.tasks.darcy.spec import SPEC
from nasperf360.tasks.shared.task_training import Batch, TaskTraining

Moments = tuple[Tensor, Tensor]
"""Mean and deviation of each point, on the CPU."""


class Darcy(TaskTraining):
    """Coefficient and solution on a grid of s x s points."""

    spec = SPEC

    def fit(self, train: Split) -> None:
        """Mean and unbiased standard deviation of every point over the training rows."""
        if len(train) < 2:
            raise UserError(f"darcy: {len(train)} training row; the normalisation needs two or more")
        self._x = Normaliser.of(train.load("x"))
        self._y = Normaliser.of(train.load("y"))

    def state_dict(self) -> dict[str, Moments]:
        """Mean and deviation of coefficient and solution, (1, s, s) each."""
        return {"x": self._x.moments, "y": self._y.moments}

    def load_state_dict(self, state: Mapping[str, Moments]) -> None:
        """Go on as if fitted to the rows that the state was learned from."""
        self._x, self._y = Normaliser(state["x"]), Normaliser(state["y"])

    def input_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(3, s, s): the coefficient and two coordinates."""
        return (3, *sample_shape[1:])

    def inputs(self, batch: Batch) -> Tensor:
        """Normalised coefficient and the coordinates along columns and along rows, from 0 to 1."""
        x = self._x.encode(batch["x"])
        rows, columns = (torch.linspace(0, 1, size, device=x.device) for size in x.shape[2:])
        down, right = torch.meshgrid(rows, columns, indexing="ij")
        coordinates = torch.stack([right, down]).expand(len(x), -1, -1, -1)
        return torch.cat([x, coordinates], dim=1)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Sum over the batch of the relative l2 error of the solution in its own units."""
        y = batch["y"].flatten(1)
        error = self._y.decode(output).flatten(1) - y
        return (error.norm(dim=1) / y.norm(dim=1)).sum()

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Solutions in their own units, (B, 1, s, s)."""
        return self._y.decode(model(self.inputs(batch)))


class Normaliser:
    """Pointwise standardisation; works on the device of what it is given."""

    epsilon = 1e-5  # as published: it matters, for the solution's deviation is about 1.6e-3

    def __init__(self, moments: Moments):
        self.moments = moments
        self._on = {torch.device("cpu"): moments}

    @classmethod
    def of(cls, samples: np.ndarray) -> Self:
        """Learned from samples (n, 1, s, s)."""
        mean = samples.mean(axis=0, dtype=np.float64)
        deviation = samples.std(axis=0, ddof=1, dtype=np.float64) + cls.epsilon
        return cls((torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(deviation.astype(np.float32))))

    def on(self, device: torch.device) -> Moments:
        """Mean and deviation on a device, sent there once."""
        if device not in self._on:
            with torch.inference_mode(False):  # kept, and used in training, too
                mean, deviation = self.moments
                self._on[device] = mean.to(device), deviation.to(device)
        return self._on[device]

    def encode(self, values: Tensor) -> Tensor:
        """To mean 0 and deviation 1 at each point."""
        mean, deviation = self.on(values.device)
        return (values - mean) / deviation

    def decode(self, values: Tensor) -> Tensor:
        """Back to the units of the samples."""
        mean, deviation = self.on(values.device)
        return values * deviation + mean


TRAINING = Darcy
