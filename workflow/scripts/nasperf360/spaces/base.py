"""What a search space is. A space knows no algorithm, and of a task only its signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nasperf360.errors import UserError
from nasperf360.setting_names import SettingNames
from nasperf360.tasks.base import Signature

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nasperf360.networks.supernet import Supernet

Architecture = dict[str, Any]
"""A JSON value: genotype, path or hyperparameters; ``{"space": name, ...}``."""


class SearchSpace(ABC):
    """The architectures of one space for one task. Torch is imported by what builds networks, not before.

    Args:
        signature: dimensions, dense or point, input shape, outputs.
        settings: the ``spaces.<name>`` settings of the task: widths, depths, ...
    """

    name: ClassVar[str]
    has_supernet: ClassVar[bool] = False  # whether supernet() and derive() serve one-shot algorithms
    samples_operations: ClassVar[bool] = False  # whether that supernet is a SampledSupernet
    setting_names: ClassVar[SettingNames | None] = None  # those it knows, so that others are refused; None: unchecked

    def __init__(self, signature: Signature, settings: Mapping[str, Any]):
        self.signature, self.settings = signature, settings

    @classmethod
    def serves(cls, dimensions: int, dense: bool) -> bool:
        """Whether the space has networks for tasks of so many dimensions, dense or point; most serve all."""
        return True

    def check_settings(self) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse settings that make no network, when the workflow starts; ``signature.input_shape`` is then ``()``.

        Raises:
            UserError: names the setting.
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture drawn uniformly from the space."""

    @abstractmethod
    def check(self, architecture: Architecture) -> None:
        """Refuse an architecture that is not of this space.

        Raises:
            UserError: it belongs to another space, or a token is out of range.
        """

    @abstractmethod
    def build(self, architecture: Architecture) -> nn.Module:
        """The network to train from scratch; weights drawn from torch's global generator."""

    def default(self) -> Architecture:
        """The architecture that needs no search, for the algorithm ``default``.

        Raises:
            UserError: the space has none.
        """
        raise UserError(f"space '{self.name}' has no default architecture; the algorithm 'default' cannot serve it")

    def supernet(self) -> Supernet:
        """The one-shot network that holds every architecture; weights drawn from torch's global generator.

        Raises:
            UserError: the space has none.
        """
        raise UserError(f"space '{self.name}' has no supernet; choose an algorithm that needs none, such as 'random'")

    def derive(self, supernet: Supernet) -> Architecture:
        """The architecture that the supernet's architecture parameters favour.

        Raises:
            UserError: the space has no supernet.
        """
        raise UserError(f"space '{self.name}' has no supernet; choose an algorithm that needs none, such as 'random'")

    def hyperparameters(self, architecture: Architecture) -> dict[str, Any]:
        """Training settings that the architecture fixes (the search dimensions of ``wrn``); most fix none."""
        return {}

    def _check_space(self, architecture: Architecture) -> None:
        space = architecture.get("space") if isinstance(architecture, dict) else None
        if space != self.name:
            raise UserError(
                f"an architecture of space '{space}' was given to space '{self.name}'; "
                f"delete its architecture.json and search again"
            )
