"""PSICOV to networks: feature maps to distances; large test maps tile by tile."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from nasperf360.data.datasets import Split
from nasperf360.tasks.psicov.spec import PAD, SPEC
from nasperf360.tasks.shared.task_training import Batch, TaskTraining


class Psicov(TaskTraining):
    """Features (57, s, s) to distances (1, s, s) in Angstrom."""

    spec = SPEC

    def fit(self, train: Split) -> None:
        """Learns only the size of the tiles in which test maps are predicted: that of the training crops."""
        self._tile = train.shape("x")[-1]

    def state_dict(self) -> dict[str, int]:
        """That size."""
        return {"tile": self._tile}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on as if fitted."""
        self._tile = state["tile"]

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over the whole crop, in square Angstrom."""
        return mse_loss(output, batch["y"])

    def predicts(self, shape: tuple[int, ...], trained_on: tuple[int, ...]) -> bool:
        """Crops, and maps of whole tiles."""
        tiles = len(shape) == 3 and shape[1] == shape[2] and not shape[1] % self._tile
        return tiles and shape[0] == trained_on[0]

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Distances (B, 1, s, s); test maps tile by tile, where a tile beyond every protein of the batch is left 0."""
        x = self.inputs(batch)
        size, tile = x.shape[-1], self._tile
        if size == tile:
            output: Tensor = model(x)
            return output
        output = x.new_zeros((len(x), self.spec.outputs, size, size))
        end = int(batch["length"].max()) + PAD
        for row in range(0, end, tile):
            for column in range(0, end, tile):
                here = (..., slice(row, row + tile), slice(column, column + tile))
                output[here] = model(x[here])
        return output


TRAINING = Psicov
