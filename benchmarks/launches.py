"""What a step of a network computes: how many operations, and how long they take at a machine's peaks."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

# Neither compute nor copy: they only make a tensor, or another name for one.
FREE = {
    "aten::detach",
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::new_empty",
    "aten::new_empty_strided",
    "aten::_unsafe_view",
    "aten::_local_scalar_dense",
}


@dataclass(frozen=True)
class Peaks:
    """What a machine reaches at best: operations per second, a multiply-add being two, and bytes per second."""

    operations: float
    bytes: float


class Launches(TorchDispatchMode):
    """Counts the operations that run within, each at least one launch of a kernel on a GPU.

    Attributes:
        by_name: how many, by name.
        operations: in multiplications and additions, of products and convolutions.
        roofline: seconds that all would take one after another, each at the peak that bounds it.
    """

    def __init__(self, peaks: Peaks | None = None):
        super().__init__()
        self.peaks = peaks
        self.by_name: Counter[str] = Counter()
        self.operations, self.roofline = 0.0, 0.0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_name.values())

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = function._schema.name
        if function.is_view or name in FREE:
            return result
        self.by_name[name] += 1
        counted = flop_registry.get(function.overloadpacket)
        operations = float(counted(*args, **kwargs, out_val=result)) if counted else 0.0
        self.operations += operations
        if self.peaks:
            moved = sum(each.numel() * each.element_size() for each in _tensors((args, result)))
            self.roofline += max(operations / self.peaks.operations, moved / self.peaks.bytes)
        return result


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    return [each for value in values for each in _tensors(value)] if isinstance(values, tuple | list) else []


def measured_peaks(device: torch.device, precision: str) -> Peaks:
    """Of a large product and of a large copy, on this machine, in the precision that is set.

    Args:
        device: where.
        precision: of the product's factors.
    """
    large = 8192 if device.type == "cuda" else 512
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)
    factors = torch.ones(large, large, device=device, dtype=dtype)
    source = torch.ones(large * large, device=device)
    target = torch.empty_like(source)
    product = best_seconds(lambda: factors @ factors, device, 5)
    copy = best_seconds(lambda: target.copy_(source), device, 5)
    return Peaks(2 * large**3 / product, 2 * source.numel() * source.element_size() / copy)


def best_seconds(act: Any, device: torch.device, times: int) -> float:
    """The shortest of some times, after one that warms up."""
    act()
    found = []
    for _ in range(times):
        synchronize(device)
        started = time.perf_counter()
        act()
        synchronize(device)
        found.append(time.perf_counter() - started)
    return min(found)


def synchronize(device: torch.device) -> None:
    """Wait for all that a GPU was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
