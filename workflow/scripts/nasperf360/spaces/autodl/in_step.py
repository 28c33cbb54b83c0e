"""Elementwise calls for the maps of all levels at once: forwards and backwards one, where levels would take four.

A gradient passes an activation by a product with 0 or 1. So one that overflowed, as happens in float16, becomes NaN
where the activation is off, for which torch's own gives 0: the step is then left out, and the scale lowered.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

Maps = Sequence[Tensor]
"""One for each level."""


class Operands(NamedTuple):
    """The maps, and activated maps, for each of the operations on an edge: their gradients are added in step."""

    separable: tuple[Tensor, ...]
    dilated: tuple[Tensor, ...]
    maximum: tuple[Tensor, ...]
    average: tuple[Tensor, ...]
    skip: tuple[Tensor, ...]


def relu(maps: Maps) -> list[Tensor]:
    """Of each map."""
    return list(_Relu.apply(*maps))


def twice(maps: Maps) -> tuple[list[Tensor], list[Tensor]]:
    """The maps for each of two uses: their gradients are added in step."""
    both = _Twice.apply(*maps)
    return list(both[: len(maps)]), list(both[len(maps) :])


def operands(maps: Maps) -> Operands:
    """Of the operations on the edges that leave the maps."""
    found, levels = _Operands.apply(*maps), len(maps)
    return Operands(*(found[first : first + levels] for first in range(0, len(found), levels)))


class _Relu(Function):
    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> tuple[Tensor, ...]:
        active = tuple(torch._foreach_clamp_min(maps, 0.0))
        ctx.save_for_backward(*active)
        return active

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        passed = torch._foreach_sign(ctx.saved_tensors)
        torch._foreach_mul_(passed, gradients)
        return tuple(passed)


class _Twice(Function):
    @staticmethod
    def forward(_: Any, *maps: Tensor) -> tuple[Tensor, ...]:
        return tuple(each.view_as(each) for each in maps + maps)

    @staticmethod
    @once_differentiable
    def backward(_: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        levels = len(gradients) // 2
        return tuple(torch._foreach_add(gradients[:levels], gradients[levels:]))


class _Operands(Function):
    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> tuple[Tensor, ...]:
        active = tuple(torch._foreach_clamp_min(maps, 0.0))
        ctx.save_for_backward(*active)
        return (*active, *(each.view_as(each) for values in (active, maps, maps, maps) for each in values))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        active, levels = ctx.saved_tensors, len(ctx.saved_tensors)
        of = Operands(*(gradients[first : first + levels] for first in range(0, len(gradients), levels)))
        total = torch._foreach_add(of.maximum, of.average)
        torch._foreach_add_(total, of.skip)
        torch._foreach_addcmul_(total, torch._foreach_add(of.separable, of.dilated), torch._foreach_sign(active))
        return tuple(total)
