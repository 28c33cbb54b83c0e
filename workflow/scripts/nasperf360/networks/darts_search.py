"""The one-shot network of the DARTS space, with partial channels and edge weights (PC-DARTS).

Source: Liu et al. 2019, Xu et al. 2020; reference code, darts/gaea/search/model_search.py, gaea-dense, darts_1d/gaea.
"""

import torch
from torch import Tensor, nn

from nasperf360.networks.cells import DARTS_NODES as NODES
from nasperf360.networks.cells import OPERATIONS
from nasperf360.networks.darts_grouped import GroupedCell
from nasperf360.networks.darts_network import Head, make_stem, reductions
from nasperf360.networks.darts_operations import Layers, as_image
from nasperf360.networks.darts_plain import PlainCell
from nasperf360.networks.supernet import Supernet

EDGES = sum(range(2, NODES + 2))
FORMS = {"grouped": GroupedCell, "plain": PlainCell}


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
        form: ``grouped`` (fast) or ``plain``, with the same numbers.
        stem_stride: of the first convolution; 2 for a network at half the resolution. Point tasks only.
    """

    def __init__(
        self, input_channels: int, outputs: int, *, width: int = 16, depth: int = 8, partial: int = 4,
        dimensions: int = 2, dense: bool = False, form: str = "grouped", stem_stride: int = 1,
    ):  # fmt: skip
        super().__init__()
        layers, cell = Layers(dimensions, {"affine": False}), FORMS[form]
        self.stem = make_stem(input_channels, 3 * width, stem_stride, Layers(dimensions))
        self.cells = nn.ModuleList()
        self.memory_format = torch.channels_last if form == "grouped" else torch.contiguous_format
        self.kinds: list[str] = []
        before, last, after_reduce = 3 * width, 3 * width, False
        for position in range(depth):
            reducing = position in reductions(depth, dense)
            width *= 2 if reducing else 1
            self.cells.append(
                cell((before, last), width, reduce=reducing, after_reduce=after_reduce, partial=partial, layers=layers)
            )
            self.kinds.append("reduce" if reducing else "normal")
            before, last, after_reduce = last, 4 * width, reducing
        self.head = Head(last, outputs, dense)
        for kind in ("normal",) if dense else ("normal", "reduce"):
            self.architecture[f"operations_{kind}"] = nn.Parameter(torch.zeros(EDGES, len(OPERATIONS)))
            self.architecture[f"edges_{kind}"] = nn.Parameter(torch.zeros(EDGES))
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
