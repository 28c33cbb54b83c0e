"""What a network may ask of its training."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class RampedByEpoch(Protocol):
    """A network that changes from epoch to epoch, such as by a ramp of drop-path."""

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before an epoch, counted from 0; ``epochs`` are those of the whole training."""


@runtime_checkable
class ProjectsWeights(Protocol):
    """A network with constraints on its weights, such as on their norm."""

    def project_weights(self) -> None:
        """Called after each step: move the weights to the nearest ones that are allowed."""


@runtime_checkable
class PenalisesWeights(Protocol):
    """A network with a term of its own in the loss, such as the squares of some weights."""

    def penalty(self) -> Tensor:
        """Called in each step: a number that is added to the task's loss."""
