"""Networks of the ``darts`` space, and its supernet (PC-DARTS, Xu et al. 2020)."""

from torch import nn

from nasperf360.spaces.darts.encoding import DartsEncoding
from nasperf360.spaces.darts.network import EvaluationNetwork
from nasperf360.spaces.darts.supernet import SearchNetwork
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace
from nasperf360.spaces.shared.supernet import Supernet


class DartsSpace(DartsEncoding, SearchSpace):
    """Has a supernet."""

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        settings = self.settings.evaluation
        return EvaluationNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            normal=architecture["normal"],
            reduce=architecture.get("reduce", []),
            width=settings.width,
            depth=settings.depth,
            dimensions=self.signature.dimensions,
            dense=self.signature.dense,
            drop_path=settings.drop_path,
            drop_path_epochs=settings.drop_path_epochs,
            norm=settings.norm.params(),
            norm_operations=settings.norm_operations,
            stem_stride=settings.stem_stride,
        )

    def supernet(self) -> SearchNetwork:
        """All operations on all edges of every cell."""
        settings = self.settings.search
        return SearchNetwork(
            self.signature.input_shape[0],
            self.signature.outputs,
            width=settings.width,
            depth=settings.depth,
            partial=settings.partial,
            dimensions=self.signature.dimensions,
            dense=self.signature.dense,
            implementation=settings.implementation,
            stem_stride=settings.stem_stride,
        )

    def derive(self, supernet: Supernet) -> Architecture:
        """Cells discretized by the weights of operations times those of edges; never ``none``."""
        cells = {}
        for kind in self.cells:
            weights = supernet.mixture(f"operations_{kind}") * supernet.mixture(f"edges_{kind}")[:, None]
            cells[kind] = self.discretize(weights.detach().double().cpu().numpy())
        return {"space": self.spec.name, **cells}


SPACE = DartsSpace
