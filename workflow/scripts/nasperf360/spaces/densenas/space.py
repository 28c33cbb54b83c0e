"""Networks of the ``densenas`` space."""

from torch import nn

from nasperf360.spaces.densenas.encoding import DenseNasEncoding
from nasperf360.spaces.densenas.networks import BASIC_BLOCK, SKIP, DenseNasNetwork, DenseNasSupernet
from nasperf360.spaces.shared.encoding import Architecture
from nasperf360.spaces.shared.search_space import SearchSpace


class DenseNasSpace(DenseNasEncoding, SearchSpace):
    """Has a supernet whose operations can be sampled."""

    def build(self, architecture: Architecture) -> nn.Module:
        self.check(architecture)
        return DenseNasNetwork(
            self.signature.dimensions,
            self.signature.input_shape[0],
            self.signature.outputs,
            self.signature.dense,
            self.graph,
            [self.graph.index_of[width] for width in architecture["channels"][1:]],
            architecture["layers"],
        )

    def supernet(self) -> DenseNasSupernet:
        """All paths at once."""
        signature, settings = self.signature, self.settings
        return DenseNasSupernet(
            signature.dimensions,
            signature.input_shape,
            signature.outputs,
            signature.dense,
            self.graph,
            stem_stride=1 if signature.dense else settings.stem_stride,
            temperature=settings.temperature,
            count_cost=signature.dimensions == 2 or settings.cost_in_1d,
        )

    def derive(self, supernet: DenseNasSupernet) -> Architecture:
        """The most probable path, and in its blocks the stack layers whose basic block outweighs the skip."""
        weights = [supernet.relax(group).tolist() for group in supernet.groups("connections")]
        path = self.graph.best_path(weights)
        layers = supernet.architecture["layers"]
        blocks = (layers[:, BASIC_BLOCK] > layers[:, SKIP]).tolist()
        rows = self.graph.layer_rows
        return self.compose(path, [sum(blocks[rows[index]]) for index in path])


SPACE = DenseNasSpace
