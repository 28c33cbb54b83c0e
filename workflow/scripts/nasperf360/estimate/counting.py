"""What a network's forward pass takes: multiply-adds, bytes, kernels. Counted on torch's meta device, without numbers.

The meta device works out shapes in Python, for some operations in a millisecond each; of those that networks consist of
the shapes are known here.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from nasperf360.estimate.repeated_modules import NotComparable, RepeatedModules, Tally, plain

SAMPLES = 1009
"""In a pass: a prime that no channel count holds, so that results of the samples are told from those of the weights."""

aten = torch.ops.aten

VIEWS = (
    aten.view, aten._unsafe_view, aten.detach, aten.select, aten.unsqueeze, aten.squeeze, aten.permute, aten.transpose,
    aten.t, aten.split, aten.split_with_sizes, aten.expand, aten.slice, aten.alias, aten.as_strided, aten.empty,
    aten.empty_like, aten.empty_strided, aten.unbind, aten.lift_fresh,
)  # fmt: skip
PRODUCTS = (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)
IN_PLACE = (aten.normal_, aten.uniform_, aten.zero_, aten.fill_, aten.add_, aten.mul_, aten.relu_, aten.div_)
OF_ITS_SHAPE = (
    aten.relu, aten.sigmoid, aten.tanh, aten.neg, aten.hardtanh, aten.lerp, aten.addcmul,
    aten.empty_like, aten.ones_like, aten.zeros_like, aten.index_copy,
    aten._softmax, aten._log_softmax,
)  # fmt: skip
LAYERS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.Linear)
BUILT: dict[Any, dict[str, Any]] = {}
"""Attributes of such layers, by their settings."""
REPEATED = RepeatedModules()
BROADCAST = (aten.add, aten.sub, aten.mul, aten.div)


@dataclass(frozen=True)
class Pass:
    """A forward pass.

    Args:
        multiply_adds: of convolutions and matrix products, for a sample.
        written: bytes that its operations write, for a sample.
        kept: bytes that the backward pass needs, for a sample.
        launches: of kernels.
        weights: bytes of parameters.
    """

    multiply_adds: float
    written: float
    kept: float
    launches: float
    weights: float

    @staticmethod
    def mean(passes: Sequence["Pass"]) -> "Pass":
        """Of several networks; memory is the largest."""
        count = len(passes)
        return Pass(
            sum(each.multiply_adds for each in passes) / count,
            sum(each.written for each in passes) / count,
            max(each.kept for each in passes),
            sum(each.launches for each in passes) / count,
            max(each.weights for each in passes),
        )


class _Counter(TorchDispatchMode):
    """Counts what runs within, in the last of the tallies."""

    def __init__(self, tallies: list[Tally]) -> None:
        super().__init__()
        self._tallies = tallies

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would wrap each call, for a compiler that is not at work here: as long as the call itself takes."""
        return False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = function.overloadpacket
        known = SHAPES.get(packet)
        result = (known or function)(*args, **(kwargs or {}))
        if packet in VIEWS or (packet is aten._to_copy and result.numel() % SAMPLES):  # a constant, sent once
            return result
        tally = self._tallies[-1]
        tally.launches += 1
        # Of several results the first is what is asked for, but of a call for a list of tensors they are alike.
        made = result if isinstance(result, list) else [result[0] if isinstance(result, tuple) else result]
        for each in made:
            if isinstance(each, Tensor) and each.numel() % SAMPLES == 0:
                tally.written += each.numel() * each.element_size()
                if packet is aten.convolution:
                    tally.multiply_adds += each.numel() * math.prod(args[1].shape[1:])
                elif packet in PRODUCTS:
                    tally.multiply_adds += each.numel() * args[-1].shape[-2]
        return result


@contextmanager
def without_numbers() -> Iterator[None]:
    """Within, networks are built on the meta device, and their weights not drawn.

    Modules of equal settings share their weights and all else: a layer takes longer to build than to count. Torch's
    layers do in all networks, others in one. So what sets an attribute of one from outside sets it of all like it, and
    a module that stands in two places of a network counts twice.
    """
    drawing = {name: getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and name[0] != "_"}
    of_network: dict[Any, dict[str, Any]] = {}
    building: dict[Any, Any] = {kind: kind.__init__ for kind in {*LAYERS, *_own_kinds()}}
    for name in drawing:
        setattr(nn.init, name, _itself)
    for kind, initialise in building.items():
        kind.__init__ = _built_once(kind, initialise, BUILT if kind in LAYERS else of_network)
    try:
        with torch.device("meta"), _Counter([Tally()]):
            yield
    finally:
        for name, function in drawing.items():
            setattr(nn.init, name, function)
        for kind, initialise in building.items():
            kind.__init__ = initialise


def _built_once(kind: Any, initialise: Callable[..., None], built: dict[Any, dict[str, Any]]) -> Callable[..., None]:
    """What initialises a module by the attributes of the first of equal settings; subclasses have more of their own."""

    def of_equal_settings(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        try:
            key = kind, plain((args, kwargs))
        except NotComparable:
            return initialise(module, *args, **kwargs)
        if type(module) is not kind or key not in built:
            initialise(module, *args, **kwargs)
        if type(module) is kind:
            module.__dict__ = built.setdefault(key, module.__dict__)

    return of_equal_settings


def _own_kinds(of: type[nn.Module] = nn.Module) -> Iterator[type[nn.Module]]:
    """Classes of modules, none of torch's, that say how they are built."""
    for kind in of.__subclasses__():
        if not kind.__module__.startswith("torch.") and "__init__" in vars(kind):
            yield kind
        yield from _own_kinds(kind)


def forward_pass(network: nn.Module, input_shape: tuple[int, ...], *, training: bool = True) -> Pass:
    """What a pass of a network on the meta device takes.

    Args:
        network: built in :func:`without_numbers`.
        input_shape: of a sample.
        training: as in training; else nothing is kept.
    """
    network.train(training)
    modules = REPEATED
    tally = modules.begin()

    def keep(tensor: Tensor) -> Tensor:
        if tensor.numel() % SAMPLES == 0:
            modules.tallies[-1].keep(tensor)
        return tensor

    with (
        torch.set_grad_enabled(training),
        _Counter(modules.tallies),
        saved_tensors_hooks(keep, _unchanged),
        modules.skipped(),
    ):
        network(torch.empty(SAMPLES, *input_shape, device="meta"))
    return Pass(
        tally.multiply_adds / SAMPLES,
        tally.written / SAMPLES,
        tally.kept_bytes / SAMPLES,
        tally.launches,
        sum(
            parameter.numel() * parameter.element_size()
            for _, parameter in network.named_parameters(remove_duplicate=False)
        ),
    )


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _itself(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return tensor


def _new(like: Tensor, shape: Sequence[int]) -> Tensor:
    """What ``like.new_empty(shape)`` is: on the meta device that is made in Python."""
    return torch.empty(shape, dtype=like.dtype, device=like.device)


def _alike(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return _new(tensor, tensor.shape)


def _each_alike(tensors: Sequence[Tensor], *_: Any) -> list[Tensor]:
    return [_alike(tensor) for tensor in tensors]


def _broadcast(first: Tensor, second: Any, *_: Any) -> Tensor:
    if not isinstance(second, Tensor) or second.shape == first.shape:
        return _new(first, first.shape)
    pairs = zip_longest(reversed(first.shape), reversed(second.shape), fillvalue=1)
    return _new(first, [max(pair) for pair in pairs][::-1])


def _joined(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    return _new(tensors[0], shape)


def _batch_norm(x: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return _new(x, x.shape), _new(x, x.shape[1:2]), _new(x, x.shape[1:2])


def _stacked(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape.insert(axis % (len(shape) + 1), len(tensors))
    return _new(tensors[0], shape)


def _reduced(x: Tensor, axes: Sequence[int] = (), keep: bool = False, **_: Any) -> Tensor:
    axes = [axis % x.ndim for axis in axes] or range(x.ndim)
    shape = [1 if axis in axes else side for axis, side in enumerate(x.shape) if keep or axis not in axes]
    return _new(x, shape)


def _product(first: Tensor, second: Tensor) -> Tensor:
    return _new(first, (first.shape[0], second.shape[1]))


def _products_and_sum(_: Tensor, first: Tensor, second: Tensor, **__: Any) -> Tensor:
    return _products(first, second)


def _product_and_sum(_: Tensor, first: Tensor, second: Tensor, **__: Any) -> Tensor:
    return _product(first, second)


def _products(first: Tensor, second: Tensor) -> Tensor:
    return _new(first, (*first.shape[:2], second.shape[2]))


def _gathered(x: Tensor, axis: int, index: Tensor, **_: Any) -> Tensor:
    return _new(x, index.shape)


def _padded(x: Tensor, sides: Sequence[int], *_: Any) -> Tensor:
    shape = list(x.shape)
    for axis, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True), 1):
        shape[-axis] += before + after
    return _new(x, shape)


def _random(shape: Sequence[int], **given: Any) -> Tensor:
    return torch.empty(shape, **given)


def _identity(size: int, **given: Any) -> Tensor:
    return torch.empty((size, size), **given)


def _convolution(
    x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *_: Any
) -> Tensor:
    assert not transposed, "no network here has one"
    sides = _slid(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    return _new(x, (x.shape[0], weight.shape[0], *sides))


def _max_pool(
    x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceiling: bool = False
) -> tuple[Tensor, Tensor]:
    shape = (*x.shape[:2], *_slid(x.shape[2:], kernel, stride or kernel, padding, dilation, ceiling))
    return _new(x, shape), torch.empty(shape, dtype=torch.int64, device="meta")


def _average_pool(x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, ceiling: bool = False, *_: Any) -> Tensor:
    return _new(x, (*x.shape[:2], *_slid(x.shape[2:], kernel, stride or kernel, padding, 1, ceiling)))


def _slid(
    sides: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceiling: bool = False
) -> list[int]:
    """Sides of what a window gives that slides over an input; the last one may reach beyond it where ``ceiling``."""
    settings = (_each(value, len(sides)) for value in (kernel, stride, padding, dilation))
    found = []
    for side, size, step, pad, gap in zip(sides, *settings, strict=True):
        room = side + 2 * pad - gap * (size - 1) - 1
        count = (room + (step - 1) * ceiling) // step + 1
        found.append(count - (ceiling and (count - 1) * step >= side + pad))
    return found


def _each(value: Any, count: int) -> Sequence[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values if len(values) == count else values * count


SHAPES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(IN_PLACE, _itself),
    **dict.fromkeys(OF_ITS_SHAPE, _alike),
    **dict.fromkeys(BROADCAST, _broadcast),
    aten.addmm: _product_and_sum,
    aten.avg_pool2d: _average_pool,
    aten.baddbmm: _products_and_sum,
    aten.bmm: _products,
    aten.cat: _joined,
    aten.constant_pad_nd: _padded,
    aten.gather: _gathered,
    aten.eye: _identity,
    aten.mean: _reduced,
    aten.sum: _reduced,
    aten.mm: _product,
    aten.randn: _random,
    aten.max_pool2d_with_indices: _max_pool,
    aten.stack: _stacked,
    aten._foreach_clamp_min: _each_alike,
    aten.native_batch_norm: _batch_norm,
    aten.convolution: _convolution,
}
"""Of operations that take long on the meta device, what they give."""
