"""Reads the fixtures of this folder, fills our modules with their weights, and compares."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from formula import uniform, value

FOLDER = Path(__file__).parent
LEAVES = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm)
INPUT, COTANGENT = 1000, 1001  # numbers of the tensors of inputs, and of weights of outputs in the loss


@dataclass(frozen=True)
class Fixture:
    """One file: what the reference was given (``meta``) and what it computed."""

    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def x(self) -> Tensor:
        """The input."""
        shape = self.meta.get("x_shape") or [self.meta["batch"], *self.meta["input_shape"]]
        return tensor(shape, INPUT, 1.7, self.meta.get("x_step", 0.0))


def load(name: str) -> Fixture:
    """The fixture of that name."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = dict(stored)
    return Fixture(json.loads(str(arrays.pop("meta"))), arrays)


def tensor(shape: Iterable[int], number: int, scale: float = 1.0, step: float = 0.0) -> Tensor:
    """Tensor ``number``, float32; ``step`` is added once for the second sample, twice for the third, and so on."""
    values = scale * uniform(tuple(shape), number)
    samples = np.arange(len(values)).reshape(-1, *(1,) * (values.ndim - 1))
    return torch.from_numpy((values + step * samples).astype(np.float32))


def executed(network: nn.Module, x: Tensor) -> list[nn.Module]:
    """Convolutions, linear layers and batch normalisations in the order of their first execution."""
    order: dict[nn.Module, None] = {}
    hooks = [
        module.register_forward_hook(lambda module, *_: order.setdefault(module))
        for module in network.modules()
        if isinstance(module, LEAVES)
    ]
    network.eval()
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return list(order)


def registered(network: nn.Module) -> list[nn.Module]:
    """The same in the order of registration."""
    return [module for module in network.modules() if isinstance(module, LEAVES)]


def tensors(leaf: nn.Module) -> list[tuple[str, Tensor]]:
    """Kind and value of all tensors of a layer."""
    norm = isinstance(leaf, nn.modules.batchnorm._BatchNorm)
    found = [("gamma" if norm else "weight", leaf.weight), ("beta" if norm else "bias", leaf.bias)]
    if norm:
        found += [("mean", leaf.running_mean), ("var", leaf.running_var)]
    return [(kind, each) for kind, each in found if each is not None]


@torch.no_grad()
def fill(leaves: Iterable[nn.Module], fixture: Fixture) -> None:
    """Give the layers the fixture's weights, in this order; their kinds and shapes must be those of the reference.

    A sequence may be an image of height one.
    """
    found = [each for leaf in leaves for each in tensors(leaf)]
    wanted = fixture.meta["weights"]
    assert [(kind, [size for size in each.shape if size != 1]) for kind, each in found] == [
        (kind, [size for size in shape if size != 1]) for _, kind, shape in wanted
    ]
    for number, ((kind, each), (_, _, shape)) in enumerate(zip(found, wanted, strict=True)):
        given = value(tuple(shape), number, kind, scale=fixture.meta.get("weight_scale", 1.0))
        each.copy_(torch.from_numpy(given).reshape(each.shape))


def passes(network: nn.Module, leaves: list[nn.Module], x: Tensor) -> dict[str, np.ndarray]:
    """Output in evaluation mode and in training mode; norms of gradients and of running statistics after that pass."""
    results = {}
    network.eval()
    with torch.no_grad():
        results["eval"] = network(x).numpy()
    network.train()
    y = network(x)
    results["train"] = y.detach().numpy()
    (y * cotangent(y)).sum().backward()
    return results | norms(leaves)


def cotangent(y: Tensor) -> Tensor:
    """Weights of the outputs in the loss whose gradients are compared."""
    return torch.from_numpy(uniform(tuple(y.shape), COTANGENT).astype(np.float32)).to(y.dtype)


def norms(leaves: list[nn.Module]) -> dict[str, np.ndarray]:
    """l2 norms of the gradients of trained tensors, and of running means and variances."""
    found = [each for leaf in leaves for each in tensors(leaf)]
    gradients = [value.grad for kind, value in found if kind not in ("mean", "var")]
    statistics = [value for kind, value in found if kind in ("mean", "var")]
    return {
        "grad_norms": np.array([np.nan if each is None else each.double().norm().item() for each in gradients]),
        "stats_norms": np.array([each.double().norm().item() for each in statistics]),
    }


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference, relative to the largest wanted value; NaN must meet NaN."""
    assert found.shape == wanted.shape
    assert (np.isnan(found) == np.isnan(wanted)).all()
    return float(np.nanmax(np.abs(found - wanted)) / np.nanmax(np.abs(wanted)))


def assert_agrees(
    found: dict[str, np.ndarray], fixture: Fixture, limit: float = 1e-5, only: Callable[[str], bool] = lambda _: True
) -> None:
    """All that was found is what the reference computed, up to ``limit`` of the largest value."""
    differences = {name: difference(values, fixture[name]) for name, values in found.items() if only(name)}
    assert differences
    assert all(value <= limit for value in differences.values()), differences


class ChannelsLast(nn.Module):
    """Gives a network's outputs, and takes its inputs if so, with channels last, as the reference does."""

    def __init__(self, network: nn.Module, *, inputs: bool):
        super().__init__()
        self.network, self.inputs = network, inputs

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2).contiguous() if self.inputs else x
        return self.network(x).permute(0, 2, 3, 1)
