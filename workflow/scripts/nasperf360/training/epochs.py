"""An epoch in parts of steps, which a checkpoint can hold in the middle, and which a signal ends between two steps."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch

from nasperf360 import interruption
from nasperf360.interruption import Interrupted

Item = TypeVar("Item")


class NotFiniteError(Exception):
    """A number that training cannot go on from; ``loop.run_epochs`` adds where it happened."""


@runtime_checkable
class Stateful(Protocol):
    """What a checkpoint can hold: modules, optimisers, and the like."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


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
        return float(self._finite().mean())

    def _finite(self) -> torch.Tensor:
        values = torch.stack(self._values)
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            raise NotFiniteError(f"{self.name} became {float(values[step])} at step {step + 1}")
        return values

    def state_dict(self) -> dict[str, Any]:
        """The losses so far.

        Raises:
            NotFiniteError: one is not finite: there is nothing to go on from.
        """
        if not self._values:
            return {}
        values = self._finite()
        return {"values": values.cpu(), "device": values.device.type}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue after those of an earlier attempt, where they were: a mean has other bits on another device."""
        self._values = list(state["values"].to(state["device"])) if state else []


class Numbers(list[float]):
    """Numbers that steps give, as a checkpoint holds them."""

    def state_dict(self) -> list[float]:
        """So far."""
        return list(self)

    def load_state_dict(self, state: list[float]) -> None:
        """Continue after those of an earlier attempt."""
        self[:] = state


class Generator:
    """A random generator, as a checkpoint holds it.

    Args:
        generator: of the CPU.
    """

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def state_dict(self) -> torch.Tensor:
        """Of the generator."""
        return self.generator.get_state()

    def load_state_dict(self, state: torch.Tensor) -> None:
        """Continue from a saved state."""
        self.generator.set_state(state)


class GlobalGenerators:
    """Torch's own generators: of the CPU, and of the GPU where the process uses one."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Of the generators."""
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            state["cuda"] = torch.cuda.get_rng_state()
        return state

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a saved state."""
        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])


class _Part:
    """The steps of one loop of an epoch, and what they change that is no part of the training's own state."""

    def __init__(self, stream: Iterable[Any], items: Mapping[str, Stateful]):
        self.stream, self.items = stream, items
        self.taken, self.ended = 0, False
        self._last: dict[str, Any] | None = None

    def end(self) -> None:
        """No more steps: the items may change from now on, for those of the next loop."""
        self.ended = True
        self._last = self.state_dict()

    def state_dict(self) -> dict[str, Any]:
        if self._last:
            return self._last
        held = {"stream": self.stream.state_dict()} if isinstance(self.stream, Stateful) else {}
        items = {name: item.state_dict() for name, item in self.items.items()}
        return {"taken": self.taken, "ended": self.ended, "items": items, **held}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken, self.ended = state["taken"], state["ended"]
        self._last = dict(state) if self.ended else None
        for name, item in self.items.items():
            item.load_state_dict(state["items"][name])
        if isinstance(self.stream, Stateful):
            self.stream.load_state_dict(state["stream"])
        else:
            self.stream = islice(self.stream, self.taken, None)


class Saver(Protocol):
    """Who keeps an epoch's state; ``loop.run_epochs`` has one, with and without a checkpoint."""

    def due(self) -> bool:
        """Whether the last save is so long ago that there should be another."""

    def save(self, within: Mapping[str, Any] | None) -> str:
        """Save all state, and that of an epoch in its middle; returns what is saved, as words, or nothing."""


class Epoch(int):
    """The number of an epoch, from 0, and how it is held in a checkpoint and gone on from.

    An epoch takes its steps in loops over :meth:`steps`, one or several. What it does besides these loops must be
    quick, draw no random number, and follow from the state and the items of its loops alone: it is done again by the
    attempt that goes on from a checkpoint in the middle.
    """

    _saver: Saver | None
    _ending: ExitStack | None
    _earlier: Mapping[str, Any] | None
    _parts: list[_Part]

    def __new__(
        cls,
        number: int,
        saver: Saver | None = None,
        ending: ExitStack | None = None,
        earlier: Mapping[str, Any] | None = None,
    ) -> Self:
        """An epoch.

        Args:
            number: from 0.
            saver: keeps its state; None: nobody.
            ending: closed when the epoch is over and saved: from its first step to then, signals wait.
            earlier: what :meth:`state_dict` gave in an earlier attempt; None: it begins.
        """
        epoch = super().__new__(cls, number)
        epoch._saver, epoch._ending, epoch._earlier, epoch._parts = saver, ending, earlier, []
        return epoch

    def state_dict(self) -> dict[str, Any]:
        """The place in each loop so far, and the generators: with the state of the training all of its middle."""
        parts = [part.state_dict() for part in self._parts]
        return {"parts": parts, "generators": GlobalGenerators().state_dict()}

    def steps(self, stream: Iterable[Item], **items: Stateful) -> Iterator[Item]:
        """The items of a stream, without those whose steps an earlier attempt took.

        After each step the state may be saved, and a signal that came ends the job.

        Args:
            stream: one that is :class:`Stateful`, or what has the same items each time; these are left out one by one.
            items: what the steps change besides the training's own state: losses, generators, further streams.

        Raises:
            Interrupted: a signal came; the state is saved.
        """
        if self._ending and not self._parts:
            self._ending.enter_context(interruption.held_back())
        part, number = _Part(stream, items), len(self._parts)
        self._parts.append(part)
        if self._earlier and number < len(self._earlier["parts"]):
            part.load_state_dict(self._earlier["parts"][number])
            if number == len(self._earlier["parts"]) - 1:
                GlobalGenerators().load_state_dict(self._earlier["generators"])
        if part.ended:
            return
        for item in part.stream:
            yield item
            part.taken += 1
            self._between_steps()
        part.end()

    def _between_steps(self) -> None:
        signal = interruption.asked()
        saved = self._saver.save(self.state_dict()) if self._saver and (signal or self._saver.due()) else ""
        if signal:
            raise Interrupted(signal, saved)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Within, after the last step, nothing changes that a checkpoint holds: validation, say. A signal ends it."""
        try:
            with interruption.let_through():
                yield
        except Interrupted as end:
            raise Interrupted(end.signal, self._saver.save(self.state_dict()) if self._saver else "") from None
