"""The network that a DARTS genotype describes, with drop-path and without the auxiliary head.

Source: reference code, darts/gaea/eval/model.py, gaea-dense/model_eval.py, darts_1d/gaea/eval/model.py.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nasperf360.spaces.darts.encoding import NODES
from nasperf360.spaces.darts.parts import make_stem, reductions
from nasperf360.spaces.shared.evaluation_cell import Cell, EvaluationCell
from nasperf360.spaces.shared.head import Head
from nasperf360.spaces.shared.operations import Layers, as_image


class EvaluationNetwork(nn.Module):
    """Stacked cells of a genotype. Maps (B, channels, ...) to (B, outputs), or (B, outputs, H, W) for dense tasks.

    Args:
        input_channels: of the input.
        outputs: classes, or channels per pixel.
        normal: of all cells but the reductions.
        reduce: of the reduction cells, whose edges from the two inputs have stride 2; unused for dense tasks.
        width: channels per node of the first cells; doubled by each reduction.
        depth: cells.
        dimensions: 1 or 2.
        dense: one output per pixel and no reduction.
        drop_path: probability at the end of the ramp from 0.
        drop_path_epochs: epochs of the ramp; None: as many as are trained.
        norm: momentum and eps of the batch normalisation in the cells, all of it or that of the inputs alone.
        norm_operations: whether ``norm`` also holds inside operations.
        stem_stride: of the first convolution; 2 for a network at half the resolution. Point tasks only.
    """

    def __init__(
        self, input_channels: int, outputs: int, *, normal: Cell, reduce: Cell, width: int, depth: int,
        dimensions: int, dense: bool, drop_path: float, drop_path_epochs: int | None, norm: dict[str, float],
        norm_operations: bool, stem_stride: int,
    ):  # fmt: skip
        super().__init__()
        plain = Layers(dimensions)
        special = replace(plain, norm=norm)
        self.stem = make_stem(input_channels, 3 * width, stem_stride, plain)
        self.cells = nn.ModuleList()
        before, last, after_reduce = 3 * width, 3 * width, False
        for position in range(depth):
            reducing = position in reductions(depth, dense)
            width *= 2 if reducing else 1
            self.cells.append(
                EvaluationCell(
                    reduce if reducing else normal,
                    (before, last),
                    width,
                    reduce=reducing,
                    after_reduce=after_reduce,
                    layers=special if norm_operations else plain,
                    preprocess=special,
                )
            )
            before, last, after_reduce = last, NODES * width, reducing
        self.head = Head(last, outputs, dense)
        self.drop_path, self.drop_path_epochs, self.dropping = drop_path, drop_path_epochs, 0.0

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Set the drop-path probability of an epoch: a linear ramp."""
        self.dropping = self.drop_path * epoch / (self.drop_path_epochs or epochs)

    def forward(self, x: Tensor) -> Tensor:
        s0 = s1 = self.stem(as_image(x).contiguous(memory_format=torch.channels_last))
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, self.dropping)
        return self.head(s1)
