"""``gaea``: exponentiated gradient descent on the simplex (Li et al. 2021), on any space with a supernet.

``mixture: softmax``, as published in the benchmark, mixes by a softmax on top of the simplex values and normalises each
row over its whole last dimension (the weights of all edges of a cell together); no weight can then come near 0 or 1.
``mixture: simplex``, the original GAEA, mixes by the simplex values and normalises each choice.
Source: paper section 4.1; reference code, darts/gaea/search/optimizer.py; gaea_release, cnn/architect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasperf360.algorithms.bilevel import BilevelSearch
from nasperf360.setting_names import SettingNames

if TYPE_CHECKING:
    from torch import Tensor

    from nasperf360.networks.supernet import Supernet
    from nasperf360.training.loop import Stateful

FLOOR = 1e-5  # of the original GAEA: an option that reached 0 could never return


class Gaea(BilevelSearch):
    """Settings besides those of BilevelSearch: ``mixture``: softmax or simplex."""

    name = "gaea"
    setting_names = BilevelSearch.setting_names + SettingNames.of(optional="mixture:softmax|simplex")

    def start(self, supernet: Supernet, settings: Mapping[str, Any]) -> dict[str, Stateful]:
        if _simplex(settings):
            supernet.relax = _identity
        for name, parameter in supernet.architecture_parameters().items():
            for size, group in zip(_sizes(supernet, name, settings), _cut(supernet, name, settings), strict=True):
                group.fill_(1 / size)
            parameter.grad = None
        return {}

    def step(self, supernet: Supernet, gradients: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        floor = FLOOR if _simplex(settings) else 0.0
        for name, gradient in gradients.items():
            sizes = _sizes(supernet, name, settings)
            for group, slope in zip(_cut(supernet, name, settings), gradient.split(sizes, -1), strict=True):
                group.copy_(exponentiated_gradient(group, slope, settings["architecture_lr"], floor))


def exponentiated_gradient(values: Tensor, gradient: Tensor, rate: float, floor: float = 0.0) -> Tensor:
    """One step on the simplex: each row times exp(-rate * gradient), then divided by its sum.

    Args:
        values: (..., options), rows on the simplex.
        gradient: of the same shape.
        rate: step size.
        floor: least value before the division.
    """
    # A common factor of a row drops out in the division; without it, exp cannot overflow.
    exponent = -rate * gradient
    moved = (values * (exponent - exponent.amax(-1, keepdim=True)).exp()).clamp_min(floor)
    return moved / moved.sum(-1, keepdim=True)


def _simplex(settings: Mapping[str, Any]) -> bool:
    return bool(settings.get("mixture", "softmax") == "simplex")


def _sizes(supernet: Supernet, name: str, settings: Mapping[str, Any]) -> list[int]:
    """Sizes of what is normalised together."""
    groups = supernet.groups(name) if _simplex(settings) else (supernet.architecture[name],)
    return [group.shape[-1] for group in groups]


def _cut(supernet: Supernet, name: str, settings: Mapping[str, Any]) -> Sequence[Tensor]:
    return supernet.architecture[name].data.split(_sizes(supernet, name, settings), -1)


def _identity(values: Tensor) -> Tensor:
    return values


ALGORITHM = Gaea
