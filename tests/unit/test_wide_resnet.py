"""WRN-default: golden parameter counts of the reference's networks, and what its head sees."""

import numpy as np
import pytest
import torch

from nasperf360.errors import UserError
from nasperf360.settings.checking import checked
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.wrn.spec import SPEC
from nasperf360.tasks.shared.task_spec import Signature


@pytest.mark.parametrize(
    ("depth", "widen", "classes", "parameters"),
    [(16, 4, 10, 2_748_890), (16, 4, 100, 2_772_020), (28, 10, 10, 36_479_194), (40, 4, 10, 8_949_210)],
)
def test_golden_parameters(depth, widen, classes, parameters):
    with torch.device("meta"):
        network = build(Signature(2, False, (3, 32, 32), classes), depth=depth, widen=widen)
    assert count_parameters(network) == parameters


def build(signature, **settings):
    space = search_space("wrn", signature, settings)
    return space.build(space.default())


def test_golden_parameters_of_the_1d_network():
    assert count_parameters(build(Signature(1, False, (1, 1000), 4))) == 504_260


@pytest.mark.parametrize(
    ("signature", "shape"),
    [
        (Signature(2, False, (3, 32, 32), 100), (2, 100)),
        (Signature(2, False, (1, 16, 52), 18), (2, 18)),
        (Signature(2, False, (1, 96, 101), 200), (2, 200)),
        (Signature(2, True, (3, 17, 17), 1), (2, 1, 17, 17)),
        (Signature(1, False, (1, 46), 24), (2, 24)),
        (Signature(1, False, (4, 1000), 36), (2, 36)),
    ],
)
def test_output_shapes(signature, shape):
    network = build(signature, depth=10, widen=1, width_1d=8)
    assert network(torch.randn(2, *signature.input_shape)).shape == shape


@pytest.mark.parametrize(("pooling", "blind"), [(8, True), ("global", False)])
def test_published_head_sees_one_corner_of_spherical(pooling, blind):
    """Reference code: rows and columns from 55 on have no gradient under the 8 x 8 window."""
    network = build(Signature(2, False, (3, 60, 60), 100), depth=16, widen=1, pooling=pooling).eval()
    image = torch.randn(1, 3, 60, 60, requires_grad=True)
    network(image).sum().backward()
    seen = image.grad.abs().sum((0, 1))
    assert bool((seen[55:] == 0).all() and (seen[:, 55:] == 0).all()) is blind
    assert seen[:40, :40].sum() > 0


def test_dense_network_keeps_its_resolution_and_is_shift_equivariant():
    network = build(Signature(2, True, (2, 40, 40), 1), depth=10, widen=1).eval()
    image = torch.randn(1, 2, 40, 40)
    shifted = torch.roll(image, 3, -1)
    inner = (..., slice(16, 24), slice(18, 24))
    assert torch.allclose(torch.roll(network(image), 3, -1)[inner], network(shifted)[inner], atol=1e-4)


def test_multiply_adds_of_a_convolution_by_hand():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, 2, 1, groups=2), torch.nn.Flatten(), torch.nn.Linear(200, 3))
    assert count_multiply_adds(network, (4, 10, 10)) == 8 * 2 * 9 * 25 + 200 * 3


def test_space_samples_what_it_accepts_and_refuses_the_rest():
    space = search_space("wrn", Signature(2, False, (3, 32, 32), 100), {})
    for number in range(20):
        space.check(space.sample(np.random.default_rng(number)))
    with pytest.raises(UserError, match="densenas"):
        space.check({"space": "densenas"})
    with pytest.raises(UserError, match="momentum"):
        space.check({"space": "wrn", "momentum": 7})
    with pytest.raises(UserError, match="lr"):
        space.check({"space": "wrn", "lr": 0})


def test_an_architecture_fixes_settings_of_training_alone():
    space = search_space("wrn", Signature(2, False, (3, 32, 32), 100), {})
    architecture = space.sample(np.random.default_rng(0))
    assert space.hyperparameters(architecture) == {key: architecture[key] for key in ("lr", "momentum", "weight_decay")}
    assert space.hyperparameters(space.default()) == {}
    assert {block.dropout for block in space.build(architecture).blocks} == {architecture["dropout"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 15}, "spaces.wrn.depth: 15 was given; a wide ResNet has 6 n [+] 4 layers: give 10, 16, 22"),
        ({"depth": 4}, "spaces.wrn.depth: 4 was given; a wide ResNet"),
        ({"pooling": "max"}, "spaces.wrn.pooling: 'max' was given, .*global"),
        ({"pooling": 0}, "spaces.wrn.pooling: 0 was given"),
        ({"pooling": True}, "spaces.wrn.pooling: True was given"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        checked(SPEC.settings, settings, "spaces.wrn")
