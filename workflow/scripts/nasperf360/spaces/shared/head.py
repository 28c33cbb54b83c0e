"""The last layer of networks for point and dense tasks."""

from torch import Tensor, nn


class Head(nn.Module):
    """Mean over the positions and a linear layer; for dense tasks a linear layer per position.

    Maps (B, channels, ...) to (B, outputs), or (B, outputs, ...) for dense tasks.
    """

    def __init__(self, channels: int, outputs: int, dense: bool):
        super().__init__()
        self.linear, self.dense = nn.Linear(channels, outputs), dense

    def forward(self, x: Tensor) -> Tensor:
        if self.dense:
            return self.linear(x.movedim(1, -1)).movedim(-1, 1)
        return self.linear(x.flatten(2).mean(2))
