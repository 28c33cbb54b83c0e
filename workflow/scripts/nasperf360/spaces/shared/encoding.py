"""Architectures as JSON values: how a space draws, checks and reads them. No torch here."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from nasperf360.errors import UserError
from nasperf360.spaces.shared.space_spec import SpaceSpec
from nasperf360.tasks.shared.task_spec import Signature

Architecture = dict[str, Any]
"""A JSON value: genotype, path or hyperparameters; ``{"space": name, ...}``."""


class Encoding(ABC):
    """The architectures of one space for one task.

    Args:
        signature: dimensions, dense or point, input shape, outputs.
        settings: of the space on the task, as its spec declares them.

    Raises:
        UserError: these settings make no network for such a task.
    """

    spec: ClassVar[SpaceSpec]

    def __init__(self, signature: Signature, settings: Any):
        self.spec.check(settings, signature)
        self.signature, self.settings = signature, settings

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """An architecture drawn uniformly from the space."""

    @abstractmethod
    def check(self, architecture: Architecture) -> None:
        """Refuse an architecture that is not of this space.

        Raises:
            UserError: it belongs to another space, or a token is out of range.
        """

    def hyperparameters(self, architecture: Architecture) -> dict[str, Any]:
        """Training settings that the architecture fixes (the search dimensions of ``wrn``); most fix none."""
        return {}

    def check_space(self, architecture: Architecture) -> None:
        """Refuse an architecture of another space; for :meth:`check`."""
        space = architecture.get("space") if isinstance(architecture, dict) else None
        if space != self.spec.name:
            raise UserError(
                f"an architecture of space '{space}' was given to space '{self.spec.name}'; "
                f"give one of this space, or delete its architecture.json and search again"
            )

    def refusal(self, why: str) -> UserError:
        """What :meth:`check` raises."""
        return UserError(
            f"architecture of space '{self.spec.name}': {why}; delete its architecture.json and search again, or give "
            f"another"
        )
