"""A supernet that can run a few sampled operations per layer, and knows what the mixed network costs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nasperf360.spaces.shared.supernet import Supernet


class SampledSupernet(Supernet, ABC):
    """Base class of supernets whose mixed operations can be sampled.

    Attributes:
        sampled_names: the architecture parameters, (layers, operations), whose operations are sampled.
        sampled: for each, the operations that the next forward passes mix, (layers, count) in ascending order; empty
            where all operations run.
    """

    sampled_names: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.sampled: dict[str, Tensor] = {}

    def sample_operations(self, count: int, *, uniform: bool) -> None:
        """Draw ``count`` operations per layer, without replacement, from torch's global generator.

        Args:
            count: of each layer; a layer with fewer operations runs them all.
            uniform: equally likely, else by their mixture weights.
        """
        for name in self.sampled_names:
            options = self.architecture[name].shape[-1]
            # Drawn on the CPU, so that the choice does not depend on the device; one that depends on no weight waits
            # for no device.
            equal = uniform or options == 1
            weights = torch.ones(self.architecture[name].shape) if equal else self.mixture(name).detach().cpu()
            count_here = min(count, options)
            drawn = torch.multinomial(weights, count_here) if len(weights) else weights.long()[:, :count_here]
            self.sampled[name] = drawn.sort(-1).values

    @contextmanager
    def likeliest_operations(self) -> Iterator[None]:
        """Within, each layer runs the one operation that weighs most; after it, the sampled ones again."""
        before = self.sampled
        self.sampled = {name: self.mixture(name).detach().cpu().argmax(-1, keepdim=True) for name in self.sampled_names}
        try:
            yield
        finally:
            self.sampled = before

    @abstractmethod
    def expected_cost(self) -> Tensor:
        """Millions of multiply-adds of the network that the architecture parameters describe on average; a scalar."""
