"""One resumable loop over epochs, for retraining and for every search that trains."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from tqdm import tqdm

from nasperf360.errors import DivergedError
from nasperf360.seeds import derive_seed
from nasperf360.training.checkpoints import Checkpoint

Row = dict[str, float]
"""One line of history: numbers by name."""


class Losses:
    """The losses of an epoch's steps, left on the device: to read one at each step would make a GPU wait for it.

    Args:
        name: of the loss, as history has it.
        at_once: read each all the same, where the next step cannot be taken after one that is not finite.
    """

    def __init__(self, name: str, *, at_once: bool = False):
        self.name, self.at_once = name, at_once
        self._values: list[torch.Tensor] = []

    def add(self, loss: torch.Tensor) -> None:
        """Of the next step."""
        self._values.append(loss.detach())
        if self.at_once and not loss.isfinite():
            self.mean()

    def mean(self) -> float:
        """Over the steps so far.

        Raises:
            NotFiniteError: at the first step whose loss is not finite.
        """
        values = torch.stack(self._values)
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            raise NotFiniteError(f"{self.name} became {float(values[step])} at step {step + 1}")
        return float(values.mean())


class NotFiniteError(Exception):
    """A number that training cannot go on from; :func:`run_epochs` adds where it happened."""


class Stateful(Protocol):
    """What a checkpoint can hold: modules, optimisers, and the like."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


def run_epochs(
    epoch: Callable[[int], Row],
    epochs: int,
    state: Mapping[str, Stateful],
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
    label: str = "",
    unit: str = "epoch",
) -> list[Row]:
    """Call ``epoch(0)``, ..., ``epoch(epochs - 1)``, resuming after the last one that a checkpoint holds.

    Every random number of an epoch must come from the global torch generator, which is seeded here for each epoch, or
    from generators seeded by the epoch: then a resumed run equals an undisturbed one bit for bit.

    Args:
        epoch: trains one epoch and returns its row of history.
        epochs: how many.
        state: what a checkpoint holds, by name.
        seed: of this job.
        checkpoint: where to save; None saves nothing.
        label: for the progress bar.
        unit: what an epoch is called in messages.

    Raises:
        DivergedError: a loss or a value of the row is not finite; the last good checkpoint stays.
    """
    history: list[Row] = []
    if checkpoint and (saved := _load(checkpoint, epochs)):
        history = saved["history"]
        for name, item in state.items():
            item.load_state_dict(saved[name])
        tqdm.write(f"{checkpoint.folder}: resumed after epoch {len(history)}", file=sys.stderr)  # clear of other bars
    bar = tqdm(
        range(len(history), epochs), initial=len(history), total=epochs, desc=label, file=sys.stderr, mininterval=5.0
    )
    for number in bar:
        torch.manual_seed(derive_seed(seed, "epoch", number))
        try:
            row = {"epoch": float(number), **epoch(number)}
            for name, value in row.items():
                if not math.isfinite(value):
                    raise NotFiniteError(f"{name} became {value}")
        except NotFiniteError as fault:
            raise DivergedError(
                f"{label}: {fault} in {unit} {number + 1} of {epochs}; "
                f"lower the learning rate (lr) or clip gradients where there is a setting clip, then run again"
            ) from None
        history.append(row)
        bar.set_postfix({name: f"{value:.4g}" for name, value in row.items() if name != "epoch"}, refresh=False)
        if checkpoint:
            state_dicts = {name: item.state_dict() for name, item in state.items()}
            checkpoint.save({"history": history, **state_dicts}, last=number + 1 == epochs)
    return history


def _load(checkpoint: Checkpoint, epochs: int) -> dict[str, Any] | None:
    """The saved state, unless it is from after the last epoch that is asked for: its weights are other ones."""
    saved = checkpoint.load()
    if saved and len(saved["history"]) > epochs:
        checkpoint.refuse(f"it holds {len(saved['history'])} epochs and {epochs} are asked for")
        return None
    return saved
