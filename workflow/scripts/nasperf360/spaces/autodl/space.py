"""Networks of the ``autodl`` space."""

from torch import nn

from nasperf360.spaces.autodl.encoding import AutoDeepLabEncoding
from nasperf360.spaces.autodl.level_paths import best_path
from nasperf360.spaces.autodl.network import EvaluationNetwork
from nasperf360.spaces.autodl.supernet import SearchNetwork
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace


class AutoDeepLabSpace(AutoDeepLabEncoding, SearchSpace):
    """Has a default architecture and a supernet."""

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        settings = self.settings.evaluation
        return EvaluationNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            path=architecture["path"],
            cell=architecture["cell"],
            width=settings.width,
            stem=settings.stem,
            aspp=settings.aspp,
            low_level=settings.low_level,
            dropout=settings.dropout,
            pad_to=self.settings.pad_to,
        )

    def supernet(self) -> SearchNetwork:
        """All cells of all levels, mixed."""
        return SearchNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            width=self.settings.search.width,
            layers=self.settings.layers,
            pad_to=self.settings.pad_to,
            slips=self.settings.slips,
        )

    def derive(self, supernet: SearchNetwork) -> Architecture:
        """The path of levels with the largest product of weights, and the cell discretized."""
        path = best_path(supernet.level_weights().detach().double().cpu().numpy())
        return self.compose(path, self.discretize(supernet.mixture("operations").detach().double().cpu().numpy()))


SPACE = AutoDeepLabSpace
