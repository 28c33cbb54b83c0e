"""Networks of the ``amber`` space."""

from torch import nn

from nasperf360.spaces.amber.encoding import AmberEncoding
from nasperf360.spaces.amber.networks import FinalNetwork, Layer, SharedNetwork
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace


class AmberSpace(AmberEncoding, SearchSpace):
    """Has layers whose weights architectures share."""

    def path(self, architecture: Architecture) -> list[Layer]:
        """The architecture as the networks take it."""
        return [(layer["operation"], tuple(layer["skips"])) for layer in architecture["layers"]]

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        channels, length = self.signature.input_shape
        return FinalNetwork(
            channels,
            length,
            self.signature.outputs,
            self.path(architecture),
            width=self.settings.width,
            hidden=self.settings.hidden,
            max_norm=self.settings.max_norm,
            l2=self.settings.l2,
        )

    def shared(self) -> SharedNetwork:
        """The network with shared weights; its ``path`` says which architecture it is."""
        channels, length = self.signature.input_shape
        return SharedNetwork(
            channels,
            length,
            self.signature.outputs,
            self.operations,
            self.depth,
            width=self.settings.search_width,
            hidden=self.settings.search_hidden,
        )


SPACE = AmberSpace
