"""The AMBER space: golden sizes of the reference, and networks that compute what their path says."""

import numpy as np
import pytest
import torch

from nasperf360.errors import UserError
from nasperf360.spaces.amber.layers import FinalNorm, Pooling, Reduction, reduced_length
from nasperf360.spaces.amber.networks import layers_reduced
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
    """With the shared weights copied in and eps made equal: a shared network adds nothing but its shifts, 0 here."""
    amber = space(Signature(1, False, (2, 70), 3), width=4, search_width=4, search_hidden=8, hidden=8)
    architecture = amber.sample(np.random.default_rng(3))
    shared, final = amber.shared().eval(), amber.build(architecture).eval()
    shared.path = amber.path(architecture)
    final.load_state_dict({name: shared.state_dict()[name] for name in final.state_dict()})
    for module in final.modules():
        if isinstance(module, FinalNorm):
            module.eps = 1e-5
    x = torch.randn(2, 2, 70)
    torch.testing.assert_close(final(x), shared(x))


def test_pooling_keeps_length_and_ignores_the_outside():
    x = torch.rand(1, 2, 9)
    for average in (False, True):
        pooling = Pooling(2, average, searching=False).eval()
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


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 46, 250])
def test_reductions_pad_on_both_ends(length):
    """As TensorFlow's "same": what is missing to a whole number of fours, half of it, rounded down, in front."""
    reduction = Reduction(1, 1)
    with torch.no_grad():
        reduction.conv.weight.fill_(1.0)
    x = torch.randn(3, 1, length)
    count = -(-length // 4)
    front = max((count - 1) * 4 + 4 - length, 0) // 2
    expected = [x[..., max(0, 4 * i - front) : 4 * i - front + 4].amax(-1) for i in range(count)]
    torch.testing.assert_close(reduction(x), torch.stack(expected, -1))


def test_running_variance_of_the_final_network_is_the_population_s():
    norm, x = FinalNorm(3), torch.randn(4, 3, 5) * 2 + 1
    norm(x).sum().backward()
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * x.var((0, 2), correction=0))
    torch.testing.assert_close(norm.running_mean, 0.01 * x.mean((0, 2)))


def test_kernels_stay_below_the_maximal_norm_and_cost():
    """Those of the stem and of convolutions over several positions; pools', reductions' and dense ones are free."""
    amber = space(width=4)
    network = amber.build(amber.compose([0, 4, 2, 1, 5, 3, 6, 0, 0, 0, 0, 0], [[]] * 12))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(100)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    held = {name for name, parameter in before.items() if parameter.ndim == 3 and parameter.shape[-1] > 1}
    assert len(held) == 10  # the stem and nine operations
    squares = sum(float((before[name].double() ** 2).sum()) for name in held)
    assert network.penalty().item() == pytest.approx(5e-7 * squares, rel=1e-5)
    network.project_weights()
    for name, parameter in network.named_parameters():
        if name in held:
            norms = before[name].norm(dim=-1, keepdim=True)
            torch.testing.assert_close(parameter, before[name] * norms.clamp(max=0.9) / norms)
            assert parameter.norm(dim=-1).max().item() == pytest.approx(0.9, rel=1e-5)
        else:
            torch.testing.assert_close(parameter, before[name])


def test_every_operation_of_the_shared_network_sees_each_training_pass():
    """Their running statistics move whichever the path takes, to a mean of the passes in which the last weighs most."""
    amber = space(Signature(1, False, (1, 64), 3), search_width=4, search_hidden=8)
    shared = amber.shared().train()
    shared.dropout = 0.0
    names = [name for name in shared.state_dict() if name.endswith("running_var")]
    shared.path = amber.path(amber.compose([6] * 12, [[]] * 12))
    seen = []
    for _ in range(3):
        x = torch.randn(4, 1, 64)
        shared(x)
        seen.append(torch.nn.functional.conv1d(torch.nn.functional.pad(x, (3, 4)), shared.stem.weight).mean((0, 2)))
    assert all((shared.state_dict()[name] != 1).all() for name in names)  # the first value
    assert len(names) == 1 + 12 * 6 + 11
    weights = torch.tensor([0.81, 0.9, 1.0]) / 2.71
    expected = sum(weight * mean for weight, mean in zip(weights, seen, strict=True))
    torch.testing.assert_close(shared.stem_norm.running_mean, expected)
    copy = amber.shared()
    copy.load_state_dict(shared.state_dict())
    assert copy.passes == 3
    before = {name: value.clone() for name, value in shared.state_dict().items() if name != "_extra_state"}
    shared.eval()(torch.randn(4, 1, 64))
    assert all(torch.equal(shared.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize(("searching", "places"), [(True, 14), (False, 13)])
def test_places_of_dropout(searching, places, monkeypatch):
    """After each of twelve layers and after flattening; in the search after the fully connected layer too."""
    amber, rates = space(Signature(1, False, (1, 64), 3), width=4, search_width=4), []
    network = (amber.shared() if searching else amber.build(amber.compose([6] * 12, [[]] * 12))).train()
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, rate, training: rates.append((rate, training)) or x)
    network(torch.randn(2, 1, 64))
    assert rates == [(0.1, True)] * places


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
