"""The AMBER space: golden sizes of the reference, and networks that compute what their path says."""

import numpy as np
import pytest
import torch

from nasperf360.errors import UserError
from nasperf360.spaces.amber.networks import Pooling, layers_reduced, reduced_length
from nasperf360.spaces.amber.spec import SPEC
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature

ECG = Signature(1, False, (1, 1000), 4)


def space(signature=ECG, **settings):
    return search_space("amber", signature, settings)


def total_parameters(network):
    """As Keras counts: running statistics of batch normalisation included."""
    buffers = [buffer for name, buffer in network.named_buffers() if "running" in name]
    return sum(tensor.numel() for tensor in [*network.parameters(), *buffers])


@pytest.mark.parametrize(("operation", "parameters"), [(0, 9_371_128), (2, 9_371_128), (6, 1_003_768)])
def test_golden_parameters(operation, parameters):
    amber = space()
    network = amber.build(amber.compose([operation] * 12, [[]] * 12))
    assert total_parameters(network) == parameters
    assert network.dense.in_features == 8192


def test_golden_size():
    """Facts: 7^12 * 2^66 = 1.0213e30; what the check takes, layer by layer."""
    amber, size = space(), 1

    def taken(layer, operation, skips):
        architecture = amber.compose([0] * 12, [[]] * 12)
        architecture["layers"][layer] = {"operation": operation, "skips": skips}
        try:
            amber.check(architecture)
        except UserError:
            return False
        return True

    for layer in range(12):
        operations = sum(taken(layer, operation, []) for operation in [*amber.operations, "none"])
        sources = sum(taken(layer, "identity", [source]) for source in range(-1, 13))
        size *= operations * 2**sources
    assert size == 7**12 * 2**66
    assert f"{size:.4e}" == "1.0213e+30"


def test_lengths():
    assert [reduced_length(1000, n) for n in range(4)] == [1000, 250, 63, 16]
    assert [reduced_length(46, n) for n in range(4)] == [46, 12, 3, 1]


def test_only_what_is_needed_later_passes_a_reduction():
    path = [("identity", skips) for skips in ([], [], [0], [0, 1], [], [], [1, 4], [], [], [], [], [8])]
    assert layers_reduced(path) == [[0, 1, 2], [1, 4, 5], [8]]


@pytest.mark.parametrize("signature", [ECG, Signature(1, False, (1, 46), 24), Signature(1, False, (4, 1000), 36)])
def test_sampled_networks_and_the_shared_network_run(signature):
    amber = space(signature, width=4, search_width=4, search_hidden=8)
    shared = amber.shared()
    rng = np.random.default_rng(0)
    for _ in range(5):
        architecture = amber.sample(rng)
        amber.check(architecture)
        x = torch.randn(2, *signature.input_shape)
        assert amber.build(architecture)(x).shape == (2, signature.outputs)
        shared.path = amber.path(architecture)
        assert shared(x).shape == (2, signature.outputs)


def test_shared_network_equals_the_built_one_with_its_weights():
    """With the shared weights copied in and dropout off, a final network of the same width gives the same output."""
    amber = space(Signature(1, False, (2, 70), 3), width=4, search_width=4, search_hidden=8, hidden=8)
    architecture = amber.sample(np.random.default_rng(3))
    shared, final = amber.shared().eval(), amber.build(architecture).eval()
    shared.path = amber.path(architecture)
    final.load_state_dict({name: shared.state_dict()[name] for name in final.state_dict()})
    x = torch.randn(2, 2, 70)
    torch.testing.assert_close(final(x), shared(x))


def test_pooling_keeps_length_and_ignores_the_outside():
    x = torch.rand(1, 2, 9)
    for average in (False, True):
        pooling = Pooling(2, average).eval()
        inner = pooling.conv(x)
        expected = torch.stack(
            [
                (window.mean(-1) if average else window.amax(-1))
                for i in range(9)
                for window in [inner[..., max(0, i - 1) : i + 3]]
            ],
            -1,
        )
        torch.testing.assert_close(pooling(x), expected)


def test_weights_stay_below_the_maximal_norm():
    amber = space(width=4)
    network = amber.build(amber.compose([0] * 12, [[]] * 12))
    with torch.no_grad():
        network.layers[0]["conv_8"].conv.weight.mul_(100)
    network.project_weights()
    norms = network.layers[0]["conv_8"].conv.weight.norm(dim=-1)
    assert norms.max().item() == pytest.approx(0.9, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a: a | {"space": "darts"}, "darts"),
        (lambda a: a | {"layers": a["layers"][:3]}, "list of 12 layers"),
        (lambda a: a | {"layers": [{"operation": "conv_99", "skips": []}] * 12}, "conv_99"),
        (lambda a: a | {"layers": [{"operation": "identity", "skips": [5]}] * 12}, "layer 0"),
        (
            lambda a: a | {"layers": [*a["layers"][:2], {"operation": "identity", "skips": [1, 1]}, *a["layers"][3:]]},
            "layer 2: skips .* name a layer twice",
        ),
    ],
)
def test_foreign_architectures_are_refused(change, word):
    amber = space()
    good = amber.compose([0] * 12, [[]] * 12)
    with pytest.raises(UserError, match=word):
        amber.build(change(good))


def test_it_serves_1d_point_tasks_only():
    assert SPEC.serves(1, False)
    assert not SPEC.serves(2, False)
    assert not SPEC.serves(2, True)
