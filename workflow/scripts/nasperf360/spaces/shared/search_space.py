"""What a search space is to search algorithms and to retraining. It knows no algorithm, and of a task its signature."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from nasperf360.registry import room
from nasperf360.spaces.shared.encoding import Architecture, Encoding
from nasperf360.spaces.shared.sampled_supernet import SampledSupernet
from nasperf360.spaces.shared.space_spec import Capability
from nasperf360.spaces.shared.supernet import Supernet
from nasperf360.tasks.shared.task_spec import Signature


class SearchSpace(Encoding):
    """The architectures of one space for one task, and their networks. ``spaces/<name>/space.py`` defines ``SPACE``."""

    @abstractmethod
    def build(self, architecture: Architecture) -> nn.Module:
        """The network to train from scratch; weights drawn from torch's global generator."""


@runtime_checkable
class HasDefault(Protocol):
    """A space with an architecture that needs no search."""

    def default(self) -> Architecture:
        """That architecture."""


@runtime_checkable
class HasSupernet(Protocol):
    """A space with a one-shot network that holds every architecture."""

    def supernet(self) -> Supernet:
        """The one-shot network; weights drawn from torch's global generator."""

    def derive(self, supernet: Any) -> Architecture:
        """The architecture that the supernet's architecture parameters favour."""


@runtime_checkable
class HasSampledSupernet(Protocol):
    """A space whose supernet can run sampled operations and knows what it costs.

    ``isinstance`` sees the names of methods alone, and so does not tell it from :class:`HasSupernet`: the supernet
    itself is the :class:`SampledSupernet`.
    """

    def supernet(self) -> SampledSupernet:
        """The one-shot network; weights drawn from torch's global generator."""

    def derive(self, supernet: Any) -> Architecture:
        """The architecture that the supernet's architecture parameters favour."""


class SharedNetwork(Protocol):
    """A network that holds the weights of all architectures.

    ``path`` says which one it is, ``dropout`` the share of values that training drops.
    """

    path: Any
    dropout: float


@runtime_checkable
class HasSharedLayers(Protocol):
    """A space of layers, each an operation and skips from earlier layers, with weights that architectures share."""

    operations: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Number of layers."""

    def compose(self, operations: Sequence[int], skips: Sequence[Sequence[int]]) -> Architecture:
        """The architecture of a choice per layer: an operation by index, and earlier layers."""

    def shared(self) -> Any:
        """The network with shared weights; an ``nn.Module`` that is a ``SharedNetwork``."""

    def path(self, architecture: Architecture) -> Any:
        """The architecture as that network takes it."""


PROTOCOLS: Mapping[Capability, type] = {
    Capability.DEFAULT: HasDefault,
    Capability.SUPERNET: HasSupernet,
    Capability.SAMPLED_SUPERNET: HasSampledSupernet,
    Capability.SHARED_LAYERS: HasSharedLayers,
}
"""What a space that names a capability has to be."""


def search_space(name: str, signature: Signature, settings: Mapping[str, Any]) -> SearchSpace:
    """The search space of that name for a task's signature, with its settings as a param holds them."""
    space: type[SearchSpace] = room("spaces", name, "space").SPACE
    return space(signature, space.spec.settings.model_validate(settings))
