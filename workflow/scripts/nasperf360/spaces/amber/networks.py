"""The networks of AMBER: twelve 1-D layers with residual connections, as a single network and with shared weights.

Source: paper section 4.1 (Zhang et al. 2021b); reference code, AMBER/amber/modeler and AMBER/examples/eval.py.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasperf360.spaces.amber.layers import Reduction, init_weights, normalisation, operation, reduced_length

BLOCK = 3  # layers between two reductions
DROPOUT = 0.1
KEPT = 0.9  # of the running statistics of shared weights, at each pass

Layer = tuple[str, Sequence[int]]
"""Operation of a layer, and the earlier layers whose outputs it adds."""


class AmberNetwork(nn.Module):
    """Layers that hold one or several operations each; which of them run, and what they add, is the ``path``.

    Each layer but the first normalises the sum of its operation and of what it adds.

    Args:
        channels: of the input (B, channels, L).
        length: L.
        outputs: classes or labels.
        operations: per layer, the operations that it holds.
        reduced: per reduction (after layers 2, 5, 8), the layers whose outputs it passes on.
        width: channels of the first block; they double in each further block.
        hidden: units of the fully connected layer.
        searching: the layers of the reference's search, else those of its final network.
    """

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        operations: Sequence[Sequence[str]],
        reduced: Sequence[Sequence[int]],
        *,
        width: int,
        hidden: int,
        searching: bool,
    ):
        super().__init__()
        widths = [width * 2 ** (index // BLOCK) for index in range(len(operations))]
        self.stem = nn.Conv1d(channels, width, 8, bias=False)
        self.stem_norm = normalisation(width, searching)
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: operation(name, channels, searching=searching) for name in names})
            for names, channels in zip(operations, widths, strict=True)
        )
        self.norms = nn.ModuleList(
            normalisation(channels, searching) if index else nn.Identity() for index, channels in enumerate(widths)
        )
        self.reductions = nn.ModuleList(
            nn.ModuleDict({str(layer): Reduction(channels, 2 * channels) for layer in layers})
            for layers, channels in zip(reduced, widths[BLOCK - 1 :: BLOCK], strict=False)
        )
        flat = widths[-1] * reduced_length(length, len(self.reductions))
        self.dense = nn.Linear(flat, hidden)
        self.head = nn.Linear(hidden, outputs)
        init_weights(self, searching)
        self.dropout, self.searching = DROPOUT, searching
        self.path: Sequence[Layer] = [(names[0], ()) for names in operations]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(F.pad(x, (3, 4))))
        states: dict[int, Tensor] = {}
        needed = [layer for _, skips in self.path for layer in skips]
        for index, (name, skips) in enumerate(self.path):
            total = self._operate(index, name, x)
            for layer in skips:
                total = total + states[layer]
            x = F.dropout(self.norms[index](total), self.dropout, self.training)
            states[index] = x
            needed = needed[len(skips) :]
            if index % BLOCK == BLOCK - 1 and index // BLOCK < len(self.reductions):
                reduction = self.reductions[index // BLOCK]
                going_on = {index, *needed} & states.keys()
                states = {layer: reduction[str(layer)](states[layer]) for layer in sorted(going_on)}  # type: ignore[index]
                x = states[index]
        x = F.dropout(x.flatten(1), self.dropout, self.training)
        x = F.relu(self.dense(x))
        if self.searching:
            x = F.dropout(x, self.dropout, self.training)
        return self.head(x)

    def _operate(self, index: int, name: str, x: Tensor) -> Tensor:
        y: Tensor = self.layers[index][name](x)  # type: ignore[index]
        return y


def layers_reduced(path: Sequence[Layer]) -> list[list[int]]:
    """For each reduction of a path, the layers whose outputs are needed after it: the last one, and later skips."""
    found = []
    for last in range(BLOCK - 1, len(path) - 1, BLOCK):
        later = {layer for _, skips in path[last + 1 :] for layer in skips if layer < last}
        found.append(sorted({last, *later}))
    return found


class FinalNetwork(AmberNetwork):
    """The network of one path; training bounds and penalises the kernels of its stem and of its convolutions.

    Those of 1x1 convolutions, before pools and in reductions, are free, as in the reference.
    """

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        path: Sequence[Layer],
        *,
        width: int,
        hidden: int,
        max_norm: float,
        l2: float,
    ):
        super().__init__(
            channels,
            length,
            outputs,
            [[name] for name, _ in path],
            layers_reduced(path),
            width=width,
            hidden=hidden,
            searching=False,
        )
        self.path = path
        self.max_norm, self.l2 = max_norm, l2
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv1d)]
        self._held = [module for module in convolutions if module.kernel_size[0] > 1]

    def penalty(self) -> Tensor:
        """``l2`` times the sum of squares of those kernels; part of the loss of each step."""
        return self.l2 * torch.stack([module.weight.square().sum() for module in self._held]).sum()

    @torch.no_grad()
    def project_weights(self) -> None:
        """Scale those kernels down to ``max_norm`` along their positions; called after each optimiser step."""
        for module in self._held:
            norm = module.weight.norm(dim=-1, keepdim=True)
            module.weight.mul_(norm.clamp(max=self.max_norm) / (norm + 1e-7))


class SharedNetwork(AmberNetwork):
    """Every operation and every connection of the space, with weights that all paths share.

    In training all operations of a layer see its input, and so move their running statistics, whichever the path takes.
    """

    def __init__(
        self,
        channels: int,
        length: int,
        outputs: int,
        operations: Sequence[str],
        depth: int,
        *,
        width: int,
        hidden: int,
    ):
        ends = range(BLOCK - 1, depth - 1, BLOCK)
        super().__init__(
            channels,
            length,
            outputs,
            [operations] * depth,
            [list(range(end + 1)) for end in ends],
            width=width,
            hidden=hidden,
            searching=True,
        )
        self.passes = 0  # in training
        self._norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm1d)]

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
            for norm in self._norms:
                # Averages that start from zero and are divided by the sum of their weights, as TensorFlow's are.
                norm.momentum = (1 - KEPT) / (1 - KEPT**self.passes)
        return super().forward(x)

    def _operate(self, index: int, name: str, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                for other, module in self.layers[index].items():  # type: ignore[operator]
                    if other != name:
                        module(x)
        return super()._operate(index, name, x)

    def get_extra_state(self) -> Tensor:
        """The passes in training, for ``state_dict``; no buffer, as reading one would make a GPU wait at each pass."""
        return torch.tensor(self.passes)

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from a saved number of passes."""
        self.passes = int(state)
