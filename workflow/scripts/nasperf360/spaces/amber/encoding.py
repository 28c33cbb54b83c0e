"""Architectures of the ``amber`` space: twelve 1-D layers of seven operations, and residual connections between any.

7^12 * 2^66, about 10^30 architectures. Source: paper section 4.1 (Zhang et al. 2021b); reference code, AMBER/examples.
"""

from collections.abc import Sequence

import numpy as np

from nasperf360.spaces.amber.spec import SPEC, AmberSettings
from nasperf360.spaces.shared.encoding import Architecture, Encoding


class AmberEncoding(Encoding):
    """An architecture is ``{"space": "amber", "layers": [{"operation": name, "skips": [earlier layers]}, ...]}``."""

    spec = SPEC
    settings: AmberSettings
    operations = (
        "conv_8",
        "conv_4",
        "conv_8_dilation_10",
        "conv_4_dilation_10",
        "max_pool_4",
        "avg_pool_4",
        "identity",
    )

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.settings.depth

    def compose(self, operations: Sequence[int], skips: Sequence[Sequence[int]]) -> Architecture:
        """The architecture of a choice per layer: an operation by index, and earlier layers."""
        layers = [
            {"operation": self.operations[operation], "skips": [int(layer) for layer in sources]}
            for operation, sources in zip(operations, skips, strict=True)
        ]
        return {"space": self.spec.name, "layers": layers}

    def sample(self, rng: np.random.Generator) -> Architecture:
        operations = rng.integers(len(self.operations), size=self.depth)
        return self.compose(
            operations.tolist(), [(rng.random(layer) < 0.5).nonzero()[0].tolist() for layer in range(self.depth)]
        )

    def check(self, architecture: Architecture) -> None:
        self.check_space(architecture)
        layers = architecture.get("layers", [])
        if not isinstance(layers, list | tuple) or len(layers) != self.depth:
            raise self.refusal(f"'layers' must be a list of {self.depth} layers")
        for index, layer in enumerate(layers):
            where = f"layer {index}"
            if not isinstance(layer, dict) or layer.keys() != {"operation", "skips"}:
                raise self.refusal(f"{where}: '{layer}' does not have an operation and skips, and nothing else")
            operation, skips = layer["operation"], layer["skips"]
            if operation not in self.operations:
                raise self.refusal(f"{where}: operation '{operation}', allowed are {', '.join(self.operations)}")
            if not isinstance(skips, list | tuple) or any(
                type(source) is not int or not 0 <= source < index for source in skips
            ):
                raise self.refusal(f"{where}: skips {skips}, allowed are layers before it")
            if len(set(skips)) < len(skips):
                raise self.refusal(f"{where}: skips {skips} name a layer twice, name each once")
