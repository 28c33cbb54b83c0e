"""One resumable loop over epochs, for retraining and for every search that trains."""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from tqdm import tqdm

from nasperf360 import interruption
from nasperf360.errors import DivergedError
from nasperf360.interruption import Interrupted
from nasperf360.seeds import derive_seed
from nasperf360.training.checkpoints import Checkpoint
from nasperf360.training.epochs import Epoch, NotFiniteError, Stateful

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


class _Saver:
    """Saves the state of a training in its checkpoint, if it has one."""

    def __init__(self, history: History, state: Mapping[str, Stateful], checkpoint: Checkpoint | None):
        self.history, self.state, self.checkpoint = history, state, checkpoint
        self.earlier = 0.0  # seconds of the epoch in its earlier attempts
        self.started = time.monotonic()

    def seconds(self) -> float:
        """Of the epoch, over all attempts at it."""
        return self.earlier + time.monotonic() - self.started

    def due(self) -> bool:
        return self.checkpoint is not None and self.checkpoint.due

    def save(self, within: Mapping[str, Any] | None) -> str:
        if self.checkpoint is None:
            return ""
        held: dict[str, Any] = {"history": list(self.history), "seconds": self.history.seconds}
        if within:
            held["within"] = {**within, "seconds": self.seconds()}
        self.checkpoint.save({**held, **{name: item.state_dict() for name, item in self.state.items()}})
        return _place(held)


def _place(held: Mapping[str, Any]) -> str:
    """How far a checkpoint is, as words."""
    steps = sum(part["taken"] for part in held["within"]["parts"]) if held.get("within") else 0
    return f"epoch {len(held['history'])}" + (f" and {steps} steps of the next" if steps else "")


def run_epochs(
    epoch: Callable[[Epoch], Row],
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

    A signal ends the job at once, until the epoch asks for its :meth:`Epoch.steps`; from then on between two steps, or
    after the epoch, once the state is saved.

    The seconds of an epoch are those of all attempts, as far as its checkpoints hold them; a row that has ``seconds``
    knows better, and they are taken out of it.

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
        Interrupted: a signal ended it.
    """
    saved = _resume(checkpoint, state, epochs) if checkpoint else None
    history = History(saved["history"], saved["seconds"]) if saved else History()
    within = saved.get("within") if saved else None
    saver = _Saver(history, state, checkpoint)
    bar = tqdm(
        range(len(history), epochs), initial=len(history), total=epochs, desc=label, file=sys.stderr, mininterval=5.0
    )
    for number in bar:
        torch.manual_seed(derive_seed(seed, "epoch", number))
        saver.started, saver.earlier = time.monotonic(), within["seconds"] if within else 0.0
        with ExitStack() as ending:
            try:
                row = {"epoch": float(number), **epoch(Epoch(number, saver, ending, within))}
                seconds = row.pop("seconds", saver.seconds())
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
            within = None
            bar.set_postfix({name: f"{value:.4g}" for name, value in row.items() if name != "epoch"}, refresh=False)
            last, signal = number + 1 == epochs, interruption.asked()
            words = saver.save(None) if last or signal or saver.due() else ""
            if signal:
                raise Interrupted(signal, words)
    return history


def _resume(checkpoint: Checkpoint, state: Mapping[str, Stateful], epochs: int) -> dict[str, Any] | None:
    """Bring the state to that of a checkpoint, and return all that it holds.

    None, and the state as it was, where there is none, or one from after the last epoch that is asked for (its weights
    are other ones), or one that lacks a part.
    """
    saved = checkpoint.load()
    if not saved:
        return None
    before = {name: copy.deepcopy(item.state_dict()) for name, item in state.items()}
    try:
        if len(saved["history"]) + bool(saved.get("within")) > epochs:
            checkpoint.refuse(f"it goes to {_place(saved)} where {epochs} epochs are asked for")
            return None
        if len(saved["history"]) != len(saved["seconds"]):
            raise ValueError("rows of history without seconds")
        for name, item in state.items():
            item.load_state_dict(saved[name])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        for name, item in state.items():
            item.load_state_dict(before[name])
        checkpoint.refuse(f"it lacks a part ({type(error).__name__}: {str(error).splitlines()[0]})")
        return None
    tqdm.write(f"{checkpoint.folder}: resumed after {_place(saved)}", file=sys.stderr)  # clear of other bars
    return saved
