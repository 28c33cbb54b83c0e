"""What a supernet is: one network that holds every architecture of a space, mixed by architecture parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def softmax(values: Tensor) -> Tensor:
    """Mixture weights of logits, over the last dimension."""
    return torch.softmax(values, -1)


class Supernet(nn.Module):
    """Base class of one-shot networks. Maps (B, *input_shape) to outputs as the networks of its space do.

    Attributes:
        architecture: the architecture parameters by name; every other parameter is a weight. The last dimension of
            each holds options, in one group of options per choice, see :attr:`choices`.
        choices: sizes of the groups that the last dimension of a parameter is cut into; one group where not named.
        relax: turns groups of options into mixture weights, over the last dimension: softmax, unless a search
            algorithm keeps its parameters on the simplex and sets the identity.
    """

    def __init__(self) -> None:
        super().__init__()
        self.architecture = nn.ParameterDict()
        self.choices: dict[str, tuple[int, ...]] = {}
        self.relax: Callable[[Tensor], Tensor] = softmax

    def architecture_parameters(self) -> dict[str, nn.Parameter]:
        """Architecture parameters by name, in a fixed order."""
        return dict(self.architecture.items())

    def weight_parameters(self) -> list[nn.Parameter]:
        """All other parameters, in a fixed order."""
        return [value for name, value in self.named_parameters() if not name.startswith("architecture.")]

    @contextmanager
    def fixed_architecture(self) -> Iterator[None]:
        """Within, no gradients reach the architecture parameters: a weight step need not compute them."""
        self.architecture.requires_grad_(False)
        try:
            yield
        finally:
            self.architecture.requires_grad_(True)

    def groups(self, name: str) -> tuple[Tensor, ...]:
        """An architecture parameter cut into its choices: views of shape (..., options)."""
        values = self.architecture[name]
        return values.split(list(self.choices.get(name, (values.shape[-1],))), -1)

    def mixture(self, name: str) -> Tensor:
        """Mixture weights of an architecture parameter: each choice relaxed, in the parameter's own shape."""
        return torch.cat([self.relax(group) for group in self.groups(name)], -1)
