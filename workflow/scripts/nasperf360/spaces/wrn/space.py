"""Networks of the ``wrn`` space: WRN on 2-D tasks, the residual network of time-series classification on 1-D tasks."""

from torch import nn

from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.spaces.wrn.encoding import WideResNetEncoding
from nasperf360.spaces.wrn.resnet1d import ResNet1d
from nasperf360.spaces.wrn.wide_resnet import WideResNet


class WideResNetSpace(WideResNetEncoding, SearchSpace):
    """Has a default architecture."""

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        channels, settings = self.signature.input_shape[0], self.settings
        if self.signature.dimensions == 1:
            return ResNet1d(channels, self.signature.outputs, width=settings.width_1d)
        return WideResNet(
            channels,
            self.signature.outputs,
            depth=settings.depth,
            widen=settings.widen,
            width=settings.width,
            dropout=architecture.get("dropout", 0.0),
            dense=self.signature.dense,
            pooling=settings.pooling,
        )


SPACE = WideResNetSpace
