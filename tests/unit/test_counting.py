"""Sizes of what windows give that slide over an input: as torch computes them, for every setting of layers."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nasperf360.estimate.counting import _average_pool, _convolution, _max_pool, forward_pass

SIDES = [(9,), (12,), (9, 12)]


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_pools(sides):
    x, dimensions = torch.randn(1, 2, *sides), len(sides)
    largest, average = getattr(F, f"max_pool{dimensions}d"), getattr(F, f"avg_pool{dimensions}d")
    for kernel, stride, padding, ceiling in product((2, 3), (None, 1, 2, 4), (0, 1), (False, True)):
        given = () if stride is None else stride
        for dilation in (1, 2):
            expected = largest(x, kernel, stride, padding, dilation, ceiling)
            assert _max_pool(x, kernel, given, padding, dilation, ceiling)[0].shape == expected.shape
        assert (
            _average_pool(x, kernel, given, padding, ceiling).shape
            == average(x, kernel, stride, padding, ceiling).shape
        )


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_convolutions(sides):
    x, dimensions = torch.randn(1, 2, *sides), len(sides)
    convolution = getattr(F, f"conv{dimensions}d")
    for kernel, stride, padding, dilation in product((1, 2, 3), (1, 2), (0, 2), (1, 2)):
        weight = torch.randn(4, 2, *[kernel] * dimensions)
        expected = convolution(x, weight, None, stride, padding, dilation)
        assert _convolution(x, weight, None, stride, padding, dilation, False).shape == expected.shape


class MapsInStep(nn.Module):
    """Two activations in one call, a sum, and a product of each sample's rows that adds to it."""

    def forward(self, x):
        first, second = torch._foreach_clamp_min([x, x], 0.0)
        return torch.baddbmm(first + second, x, x)


def test_a_call_for_several_maps_is_one_launch_that_writes_all():
    found = forward_pass(MapsInStep(), (5, 5), training=False)
    assert found.launches == 3
    assert found.written == 4 * 25 * 4  # maps of 25 numbers of 4 bytes
    assert found.multiply_adds == 25 * 5
