"""One resumable loop over epochs, for retraining and for every search that trains."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from tqdm import tqdm

from nasperf360.errors import DivergedError
from nasperf360.seeds import derive_seed
from nasperf360.training.checkpoints import Checkpoint

Row = dict[str, float]
"""One line of history: numbers by name."""

OBSERVED = {"valid_loss"}
"""Numbers of a row that training does not rest on: one that is not finite does not stop it."""


class History(list[dict[str, Any]]):
    """The lines of a history, equal between equal runs, and beside them the seconds each took, which are not.

    Args:
        rows: one for each epoch, episode or trial.
        seconds: one number for each row.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), seconds: Iterable[float] = ()):
        super().__init__(rows)
        self.seconds = list(seconds)


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
) -> History:
    """Call ``epoch(0)``, ..., ``epoch(epochs - 1)``, resuming after the last one that a checkpoint holds.

    Every random number of an epoch must come from the global torch generator, which is seeded here for each epoch, or
    from generators seeded by the epoch: then a resumed run equals an undisturbed one bit for bit.

    The seconds of an epoch are those of the attempt that ended it; a row that has ``seconds`` knows better, and they
    are taken out of it.

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
    history = History()
    if checkpoint and (saved := _load(checkpoint, epochs)):
        history = History(saved["history"], saved["seconds"])
        for name, item in state.items():
            item.load_state_dict(saved[name])
        tqdm.write(f"{checkpoint.folder}: resumed after epoch {len(history)}", file=sys.stderr)  # clear of other bars
    bar = tqdm(
        range(len(history), epochs), initial=len(history), total=epochs, desc=label, file=sys.stderr, mininterval=5.0
    )
    for number in bar:
        torch.manual_seed(derive_seed(seed, "epoch", number))
        started = time.monotonic()
        try:
            row = {"epoch": float(number), **epoch(number)}
            seconds = row.pop("seconds", time.monotonic() - started)
            for name, value in row.items():
                if name not in OBSERVED and not math.isfinite(value):
                    raise NotFiniteError(f"{name} became {value}")
        except NotFiniteError as fault:
            raise DivergedError(
                f"{label}: {fault} in {unit} {number + 1} of {epochs}; "
                f"lower the learning rate (lr) or clip gradients where there is a setting clip, then run again"
            ) from None
        history.append(row)
        history.seconds.append(round(seconds, 3))
        bar.set_postfix({name: f"{value:.4g}" for name, value in row.items() if name != "epoch"}, refresh=False)
        if checkpoint:
            state_dicts = {name: item.state_dict() for name, item in state.items()}
            held = {"history": list(history), "seconds": history.seconds, **state_dicts}
            checkpoint.save(held, last=number + 1 == epochs)
    return history


def _load(checkpoint: Checkpoint, epochs: int) -> dict[str, Any] | None:
    """The saved state, unless it is from after the last epoch that is asked for: its weights are other ones."""
    saved = checkpoint.load()
    if saved and len(saved["history"]) > epochs:
        checkpoint.refuse(f"it holds {len(saved['history'])} epochs and {epochs} are asked for")
        return None
    return saved
