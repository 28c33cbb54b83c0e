"""A search space with a known answer: of eight options in each of several choices, one alone carries the signal."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nasperf360.settings.declaration import NoSettings
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.spaces.shared.space_spec import Capability, SpaceSpec
from nasperf360.spaces.shared.supernet import Supernet
from synthetic import Synthetic, SyntheticTask, from_arrays

OPTIONS = 8
CHOICES = 4


class PlantedNet(Supernet):
    """Each choice mixes the input's channels; the class is read from how loud the mixtures are on the mean.

    On the mean: with a weight of its own, a choice could also serve by being louder where the class is 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.architecture["options"] = nn.Parameter(torch.zeros(CHOICES, OPTIONS))
        self.norm = nn.BatchNorm1d(CHOICES, affine=False)
        self.head = nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.einsum("bol,co->bcl", x, self.mixture("options"))
        return self.head(self.norm(mixed.square().mean(-1)).mean(1, keepdim=True))


class PlantedSpace(SearchSpace):
    """``{"space": "planted", "options": [one of 0 to 7 for each choice]}``."""

    spec = SpaceSpec(name="planted", capabilities=frozenset({Capability.SUPERNET}))

    def sample(self, rng: np.random.Generator) -> Architecture:
        return {"space": self.spec.name, "options": rng.integers(OPTIONS, size=CHOICES).tolist()}

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)

    def build(self, architecture: Architecture) -> nn.Module:
        raise NotImplementedError

    def supernet(self) -> Supernet:
        return PlantedNet()

    def derive(self, supernet: Supernet) -> Architecture:
        return {"space": self.spec.name, "options": supernet.mixture("options").argmax(-1).tolist()}


def planted(folder: Path, right: int, seed: int = 0) -> tuple[Synthetic, PlantedSpace]:
    """Data whose channel ``right`` is loud in class 1 and quiet in class 0; the other channels are noise."""
    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(2, size=count)
        x = rng.standard_normal((count, OPTIONS, 16))
        x[:, right] *= np.where(y == 1, 1.5, 0.3)[:, None]
        return x.astype(np.float32), y

    data = from_arrays(folder, {"train": draw(192), "valid": draw(16), "test": draw(16)}, SyntheticTask(1, "point"))
    return data, PlantedSpace(data.signature, NoSettings())
