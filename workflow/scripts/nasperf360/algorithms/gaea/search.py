"""``gaea``: exponentiated gradient descent on the simplex (Li et al. 2021), on any space with a supernet.

``mixture: softmax``, as published in the benchmark, mixes by a softmax on top of the simplex values and normalises each
row over its whole last dimension (the weights of all edges of a cell together); no weight can then come near 0 or 1.
``mixture: simplex``, the original GAEA, mixes by the simplex values and normalises each choice.
Source: paper section 4.1; reference code, darts/gaea/search/optimizer.py; gaea_release, cnn/architect.
"""

from collections.abc import Mapping

from torch import Tensor

from nasperf360.algorithms.gaea.spec import GaeaSettings
from nasperf360.algorithms.shared.bilevel import bilevel_search
from nasperf360.algorithms.shared.problem import Problem, SearchResult
from nasperf360.spaces.shared.search_space import HasSupernet
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.training.epochs import Stateful

FLOOR = 1e-5  # of the original GAEA: an option that reached 0 could never return


class SimplexRule:
    """Steps of exponentiated gradient descent; all options start equal."""

    def __init__(self, supernet: Supernet, settings: GaeaSettings):
        self.supernet, self.rate = supernet, settings.architecture_lr
        self.state: dict[str, Stateful] = {}
        self.floor = 0.0
        # Sizes of what is normalised together, in the last dimension of each parameter.
        self.sizes = {name: [value.shape[-1]] for name, value in supernet.architecture_parameters().items()}
        if settings.mixture == "simplex":
            supernet.relax = _identity
            self.floor = FLOOR
            self.sizes = {name: [group.shape[-1] for group in supernet.groups(name)] for name in self.sizes}
        for name, parameter in supernet.architecture_parameters().items():
            for values in parameter.data.split(self.sizes[name], -1):
                values.fill_(1 / values.shape[-1])

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        for name, parameter in self.supernet.architecture_parameters().items():
            sizes = self.sizes[name]
            for values, gradient in zip(parameter.data.split(sizes, -1), gradients[name].split(sizes, -1), strict=True):
                values.copy_(exponentiated_gradient(values, gradient, self.rate, self.floor))


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


def _identity(values: Tensor) -> Tensor:
    return values


def search(space: HasSupernet, problem: Problem) -> SearchResult:
    """Weights on one split, architecture parameters on the other, in turns."""
    return bilevel_search(space, problem, SimplexRule)
