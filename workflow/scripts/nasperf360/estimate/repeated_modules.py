"""Modules that a pass has been through before: the same layers on inputs of the same form take the same again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

OF_EVERY_MODULE = vars(nn.Module()).keys()
HOOKS = ("_forward_hooks", "_forward_pre_hooks")


@dataclass
class Tally:
    """What runs within a module.

    Args:
        multiply_adds: of convolutions and matrix products.
        written: bytes that operations write.
        launches: of kernels.
        kept: what autograd saves, by storage: each counts once. It is held, so that no other takes its number.
        kept_within: bytes of what it saves in modules that were not gone through again.
    """

    multiply_adds: int = 0
    written: int = 0
    launches: int = 0
    kept: dict[int, Tensor] = field(default_factory=dict)
    kept_within: int = 0

    def keep(self, tensor: Tensor) -> None:
        """Autograd saves it."""
        self.kept[_storage(tensor)] = tensor

    def add(self, other: "Tally") -> None:
        """Of a module within."""
        self.multiply_adds += other.multiply_adds
        self.written += other.written
        self.launches += other.launches
        self.kept |= other.kept
        self.kept_within += other.kept_within

    @property
    def kept_bytes(self) -> int:
        """Of all that is saved."""
        return self.kept_within + sum(tensor.untyped_storage().nbytes() for tensor in self.kept.values())


@dataclass(frozen=True)
class _Passed:
    """What going through a module took, and gave.

    Args:
        tally: without what it keeps of its inputs and its output.
        inputs: which storages of these are kept, in the order in which they come.
        output: a tensor of its form.
        output_kept: whether it is kept.
    """

    tally: Tally
    inputs: tuple[int, ...]
    output: Tensor
    output_kept: bool


class NotComparable(Exception):
    """Nothing says whether two of these are equal."""


def plain(value: Any, number: Callable[[nn.Module], int | None] = lambda _: None) -> Any:
    """A value that can be compared and hashed.

    Args:
        value: of settings: numbers, texts, and what holds such.
        number: of a module, the same of those that are alike; None of others.

    Raises:
        NotComparable: anything else.
    """
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(plain(each, number) for each in value)
    if isinstance(value, dict):
        return tuple((key, plain(each, number)) for key, each in value.items())
    if is_dataclass(value):
        return (type(value), *(plain(getattr(value, each.name), number) for each in fields(value)))
    if isinstance(value, nn.Module) and (found := number(value)) is not None:
        return nn.Module, found
    raise NotComparable


class RepeatedModules:
    """Calls of modules: what is like one before is not gone through again.

    Modules are alike that are of one class and hold equal values, weights and buffers of one shape, and modules that
    are alike. What holds anything else, gives anything but a tensor of its own, or has hooks is gone through each time.
    """

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._passed: dict[Any, _Passed | None] = {}
        self.tallies: list[Tally] = []
        self._alike: dict[int, int | None] = {}

    def begin(self) -> Tally:
        """Of a network: attributes of its modules stay as they are until its pass ends."""
        self._alike = {}
        self.tallies = [Tally()]
        return self.tallies[0]

    @contextmanager
    def skipped(self) -> Iterator[None]:
        """Within, all modules are called so."""
        run = nn.Module.__call__

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self.call(run, module, *args, **kwargs)

        nn.Module.__call__ = call  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = run  # type: ignore[method-assign]

    def call(self, run: Callable[..., Any], module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """``run(module, *args, **kwargs)``, or what that would give."""
        number = self._number(module)
        if number is None:
            return run(module, *args, **kwargs)
        storages: dict[int, Tensor] = {}
        try:
            key = number, torch.is_grad_enabled(), _form(args, storages), _form(kwargs, storages)
        except NotComparable:
            return run(module, *args, **kwargs)
        if key not in self._passed:
            return self._go_through(key, storages, run, module, *args, **kwargs)
        passed = self._passed[key]
        return run(module, *args, **kwargs) if passed is None else self._repeat(passed, list(storages.values()))

    def _go_through(
        self, key: Any, storages: Mapping[int, Tensor], run: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        tally = Tally()
        self.tallies.append(tally)
        output = run(*args, **kwargs)
        self.tallies.pop()
        self.tallies[-1].add(tally)
        self._passed[key] = _passed(tally, list(storages), output)
        return output

    def _repeat(self, passed: _Passed, inputs: Sequence[Tensor]) -> Tensor:
        tally = self.tallies[-1]
        tally.add(passed.tally)
        for number in passed.inputs:
            tally.keep(inputs[number])
        self.tallies.append(Tally())  # of what makes the output
        output = torch.empty_strided(
            passed.output.shape, passed.output.stride(), dtype=passed.output.dtype, device="meta"
        )
        if passed.output.requires_grad:
            output = output.requires_grad_().neg()  # so that it may be changed in place
        self.tallies.pop()
        if passed.output_kept:
            tally.keep(output)
        return output

    def _number(self, module: nn.Module) -> int | None:
        """The same of modules that are alike; None of those that cannot be compared."""
        place = id(vars(module))  # which layers of equal settings share
        if place not in self._alike:
            try:
                self._alike[place] = self._numbers.setdefault(self._described(module), len(self._numbers))
            except NotComparable:
                self._alike[place] = None
        return self._alike[place]

    def _described(self, module: nn.Module) -> tuple[Any, ...]:
        own = vars(module)
        if any(own[name] for name in HOOKS):
            raise NotComparable
        tensors = chain(own["_parameters"].items(), own["_buffers"].items())
        return (
            type(module),
            module.training,
            *((name, plain(value, self._number)) for name, value in own.items() if name not in OF_EVERY_MODULE),
            *((name, value if value is None else _form(value, {})) for name, value in tensors),
            *((name, plain(child, self._number)) for name, child in own["_modules"].items()),
        )


def _passed(tally: Tally, inputs: Sequence[int], output: Any) -> _Passed | None:
    if not isinstance(output, Tensor) or _storage(output) in inputs:
        return None
    if output.untyped_storage().nbytes() != output.numel() * output.element_size():
        return None
    own = _storage(output)
    within = [tensor for storage, tensor in tally.kept.items() if storage != own and storage not in inputs]
    bytes_within = tally.kept_within + sum(tensor.untyped_storage().nbytes() for tensor in within)
    return _Passed(
        Tally(tally.multiply_adds, tally.written, tally.launches, {}, bytes_within),
        tuple(number for number, storage in enumerate(inputs) if storage in tally.kept),
        output.detach().requires_grad_(output.requires_grad),
        own in tally.kept,
    )


def _form(value: Any, storages: dict[int, Tensor]) -> Any:
    """Of arguments: all that a count may depend on; ``storages`` takes those of its tensors."""
    if isinstance(value, Tensor):
        storages.setdefault(_storage(value), value)
        place = list(storages).index(_storage(value))
        return value.shape, value.stride(), value.dtype, value.requires_grad, place
    if isinstance(value, list | tuple):
        return tuple(_form(each, storages) for each in value)
    if isinstance(value, dict):
        return tuple((key, _form(each, storages)) for key, each in value.items())
    if value is None or isinstance(value, int | float | str):
        return value
    raise NotComparable


def _storage(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
