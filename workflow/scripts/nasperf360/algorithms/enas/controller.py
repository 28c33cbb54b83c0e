"""ENAS's controller: an LSTM that writes an architecture layer by layer (Pham et al. 2018).

Source: reference code, AMBER/amber/architect/generalController.py; 41,984 parameters for seven operations.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 2.0
TANH = 1.5  # logits lie within (-TANH, TANH)


@dataclass
class Draw:
    """B architectures: ``operations`` (B, depth); ``skips`` (B, depth, depth), true where layer i adds layer j."""

    operations: Tensor
    skips: Tensor

    def __len__(self) -> int:
        return len(self.operations)

    def __getitem__(self, rows: Tensor | slice) -> "Draw":
        return Draw(self.operations[rows], self.skips[rows])

    def choices(self, row: int) -> tuple[list[int], list[list[int]]]:
        """Operations and skips of one architecture, as ``space.compose`` takes them."""
        operations: list[int] = self.operations[row].tolist()
        return operations, [self.skips[row, layer].nonzero()[:, 0].tolist() for layer in range(len(operations))]


class Controller(nn.Module):
    """A policy over (operation, subset of earlier layers) for each of ``depth`` layers."""

    def __init__(self, depth: int, operations: int, units: int = 64):
        super().__init__()
        self.depth, self.units = depth, units
        self.lstm = nn.LSTMCell(units, units, bias=False)
        self.start = nn.Parameter(torch.empty(1, units))
        self.embedding = nn.Embedding(operations, units)
        self.operation_logits = nn.Linear(units, operations, bias=False)
        self.source = nn.Linear(units, units, bias=False)
        self.target = nn.Linear(units, units, bias=False)
        self.query = nn.Linear(units, 1, bias=False)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def sample(self, count: int, generator: torch.Generator) -> Draw:
        """Draw ``count`` architectures; random numbers only from ``generator`` (on the CPU)."""
        with torch.no_grad():
            return self._run(count, None, generator)[0]

    def log_probability(self, draw: Draw) -> tuple[Tensor, list[Tensor]]:
        """Log-probability of each architecture (B,), and the logits of its skips, (B, layer) for each layer from 1 on.

        A skip has two logits, ``-t`` and ``t``; ``t`` is what this gives. It is taken with probability sigmoid(2 t).
        """
        _, log_probability, skip_logits = self._run(len(draw), draw, None)
        return log_probability, skip_logits

    def _run(
        self, count: int, given: Draw | None, generator: torch.Generator | None
    ) -> tuple[Draw, Tensor, list[Tensor]]:
        device = self.start.device
        hidden = cell = torch.zeros(count, self.units, device=device)
        entry = self.start.expand(count, -1)
        anchors: list[Tensor] = []
        sources: list[Tensor] = []
        operations, log_probability, all_logits = [], torch.zeros(count, device=device), []
        skips = torch.zeros(count, self.depth, self.depth, dtype=torch.bool, device=device)
        for layer in range(self.depth):
            hidden, cell = self.lstm(entry, (hidden, cell))
            logits = TANH * torch.tanh(self.operation_logits(hidden) / TEMPERATURE)
            if given is not None:
                chosen = given.operations[:, layer]
            else:
                chosen = torch.multinomial(logits.softmax(-1).cpu(), 1, generator=generator)[:, 0].to(device)
            operations.append(chosen)
            log_probability = log_probability + logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
            entry = self.embedding(chosen)
            if anchors:  # the first layer has no skips to decide on, and so no second step
                hidden, cell = self.lstm(entry, (hidden, cell))
                scores = self.query(torch.tanh(torch.stack(sources, 1) + self.target(hidden)[:, None]))[..., 0]
                skip_logits = TANH * torch.tanh(scores / TEMPERATURE)
                if given is not None:
                    taken = given.skips[:, layer, :layer]
                else:
                    draws = torch.rand(skip_logits.shape, generator=generator).to(device)
                    taken = draws < (2 * skip_logits).sigmoid()
                skips[:, layer, :layer] = taken
                log_probability = log_probability - F.binary_cross_entropy_with_logits(
                    2 * skip_logits, taken.float(), reduction="none"
                ).sum(1)
                all_logits.append(skip_logits)
                weight = taken.float()[..., None]
                entry = (weight * torch.stack(anchors, 1)).sum(1) / (1 + weight.sum(1))
            anchors.append(hidden)
            sources.append(self.source(hidden))
        return Draw(torch.stack(operations, 1), skips), log_probability, all_logits
