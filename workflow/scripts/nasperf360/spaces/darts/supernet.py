"""The one-shot network of the DARTS space, with partial channels and edge weights (PC-DARTS).

Source: Liu et al. 2019, Xu et al. 2020; reference code, darts/gaea/search/model_search.py, gaea-dense, darts_1d/gaea.
"""

import torch
from torch import Tensor, nn

from nasperf360.spaces.darts.encoding import NODES, cell_kinds
from nasperf360.spaces.darts.grouped_cell import GroupedCell
from nasperf360.spaces.darts.parts import make_stem, reductions
from nasperf360.spaces.darts.plain_cell import PlainCell
from nasperf360.spaces.shared.cells import OPERATIONS, edges
from nasperf360.spaces.shared.head import Head
from nasperf360.spaces.shared.operations import Layers, as_image
from nasperf360.spaces.shared.supernet import Supernet

IMPLEMENTATIONS = {"grouped": GroupedCell, "plain": PlainCell}


class SearchNetwork(Supernet):
    """Stacked search cells. Maps (B, channels, ...) to (B, outputs), or (B, outputs, H, W) for dense tasks.

    Architecture parameters, for each kind of cell: ``operations_<kind>`` (14, 8) and ``edges_<kind>`` (14,), whose
    choices are the inputs of each node; all equal at first.

    Args:
        input_channels: of the input.
        outputs: classes, or channels per pixel.
        width: channels per node of the first cells; doubled by each reduction.
        depth: cells.
        partial: one in so many channels goes through the operations; 1: all (the original DARTS).
        dimensions: 1 or 2.
        dense: one output per pixel and no reduction.
        implementation: ``grouped`` (fast) or ``plain``, with the same numbers.
        stem_stride: of the first convolution; 2 for a network at half the resolution. Point tasks only.
    """

    def __init__(
        self, input_channels: int, outputs: int, *, width: int, depth: int, partial: int, dimensions: int, dense: bool,
        implementation: str, stem_stride: int,
    ):  # fmt: skip
        super().__init__()
        layers, cell = Layers(dimensions, {"affine": False}), IMPLEMENTATIONS[implementation]
        self.stem = make_stem(input_channels, 3 * width, stem_stride, Layers(dimensions))
        self.cells = nn.ModuleList()
        self.memory_format = torch.channels_last if implementation == "grouped" else torch.contiguous_format
        self.kinds: list[str] = []
        before, last, after_reduce = 3 * width, 3 * width, False
        for position in range(depth):
            reducing = position in reductions(depth, dense)
            width *= 2 if reducing else 1
            self.cells.append(
                cell((before, last), width, reduce=reducing, after_reduce=after_reduce, partial=partial, layers=layers)
            )
            self.kinds.append("reduce" if reducing else "normal")
            before, last, after_reduce = last, NODES * width, reducing
        self.head = Head(last, outputs, dense)
        for kind in cell_kinds(dense):
            self.architecture[f"operations_{kind}"] = nn.Parameter(torch.zeros(edges(NODES), len(OPERATIONS)))
            self.architecture[f"edges_{kind}"] = nn.Parameter(torch.zeros(edges(NODES)))
            self.choices[f"edges_{kind}"] = tuple(range(2, NODES + 2))

    def forward(self, x: Tensor) -> Tensor:
        mixtures = {
            kind: (self.mixture(f"operations_{kind}"), self.mixture(f"edges_{kind}"))
            for kind in dict.fromkeys(self.kinds)
        }
        s0 = s1 = self.stem(as_image(x).contiguous(memory_format=self.memory_format))
        for cell, kind in zip(self.cells, self.kinds, strict=True):
            s0, s1 = s1, cell(s0, s1, *mixtures[kind])
        return self.head(s1)
