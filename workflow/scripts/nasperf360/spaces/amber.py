"""The ``amber`` space: twelve 1-D layers of seven operations, and residual connections between any two of them.

7^12 * 2^66, about 10^30 architectures. Source: paper section 4.1 (Zhang et al. 2021b); reference code, AMBER/examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasperf360.errors import UserError
from nasperf360.setting_names import SettingNames
from nasperf360.spaces.base import Architecture, SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nasperf360.networks.amber import Layer, SharedNetwork

OPERATIONS = (
    "conv_8",
    "conv_4",
    "conv_8_dilation_10",
    "conv_4_dilation_10",
    "max_pool_4",
    "avg_pool_4",
    "identity",
)


class AmberSpace(SearchSpace):
    """An architecture is ``{"space": "amber", "layers": [{"operation": name, "skips": [earlier layers]}, ...]}``.

    Settings: ``depth`` (12), ``search_width`` (32) and ``search_hidden`` (925) of the shared network, ``width`` (64)
    and ``hidden`` (100) of the final one, ``max_norm`` (0.9) of its convolutions.
    """

    name = "amber"
    setting_names = SettingNames.of(
        optional="depth:several search_width:count search_hidden:count width:count hidden:count max_norm:positive"
    )
    operations = OPERATIONS

    @classmethod
    def serves(cls, dimensions: int, dense: bool) -> bool:
        return dimensions == 1 and not dense

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.settings.get("depth", 12)

    def compose(self, operations: Sequence[int], skips: Sequence[Sequence[int]]) -> Architecture:
        """The architecture of a choice per layer: an operation by index, and earlier layers."""
        layers = [
            {"operation": self.operations[operation], "skips": [int(layer) for layer in sources]}
            for operation, sources in zip(operations, skips, strict=True)
        ]
        return {"space": self.name, "layers": layers}

    def sample(self, rng: np.random.Generator) -> Architecture:
        operations = rng.integers(len(self.operations), size=self.depth)
        return self.compose(
            operations.tolist(), [(rng.random(layer) < 0.5).nonzero()[0].tolist() for layer in range(self.depth)]
        )

    def check(self, architecture: Architecture) -> None:
        self._check_space(architecture)
        layers = architecture.get("layers", [])
        if not isinstance(layers, list | tuple) or len(layers) != self.depth:
            raise UserError(f"architecture of space 'amber': 'layers' must be a list of {self.depth} layers")
        for index, layer in enumerate(layers):
            where = f"architecture of space 'amber': layer {index}"
            if not isinstance(layer, dict) or layer.keys() != {"operation", "skips"}:
                raise UserError(f"{where}: '{layer}' does not have an operation and skips, and nothing else")
            operation, skips = layer["operation"], layer["skips"]
            if operation not in self.operations:
                allowed = ", ".join(self.operations)
                raise UserError(f"{where}: operation '{operation}', allowed are {allowed}")
            if not isinstance(skips, list | tuple) or any(
                type(source) is not int or not 0 <= source < index for source in skips
            ):
                raise UserError(f"{where}: skips {skips}, allowed are layers before it")
            if len(set(skips)) < len(skips):
                raise UserError(f"{where}: skips {skips} name a layer twice, name each once")

    def path(self, architecture: Architecture) -> list[Layer]:
        """The architecture as the networks take it."""
        return [(layer["operation"], tuple(layer["skips"])) for layer in architecture["layers"]]

    def build(self, architecture: Architecture) -> nn.Module:
        from nasperf360.networks.amber import FinalNetwork

        self.check(architecture)
        channels, length = self.signature.input_shape
        return FinalNetwork(
            channels,
            length,
            self.signature.outputs,
            self.path(architecture),
            width=self.settings.get("width", 64),
            hidden=self.settings.get("hidden", 100),
            max_norm=self.settings.get("max_norm", 0.9),
        )

    def shared(self) -> SharedNetwork:
        """The network with shared weights; its ``path`` says which architecture it is."""
        from nasperf360.networks.amber import SharedNetwork

        channels, length = self.signature.input_shape
        return SharedNetwork(
            channels,
            length,
            self.signature.outputs,
            self.operations,
            self.depth,
            width=self.settings.get("search_width", 32),
            hidden=self.settings.get("search_hidden", 925),
        )


SPACE = AmberSpace
