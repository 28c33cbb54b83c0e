"""The Auto-DeepLab space: golden counts of the reference code, level paths, both networks at any size, refusals."""

import json
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nasperf360.errors import UserError
from nasperf360.settings.checking import checked
from nasperf360.spaces.autodl.encoding import CITYSCAPES_CELL, NODES
from nasperf360.spaces.autodl.level_paths import best_path, direction, is_path, random_path
from nasperf360.spaces.autodl.parts import ImagePool
from nasperf360.spaces.autodl.resize import crop, pad, resize
from nasperf360.spaces.autodl.search_layer import SearchCell, SearchLayer, kernels_of
from nasperf360.spaces.autodl.spec import SPEC
from nasperf360.spaces.darts.plain_cell import MixedOperation, copy_edge
from nasperf360.spaces.shared.cells import OPERATIONS, edges, edges_by_source
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.spaces.shared.operations import Layers
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature

EDGES = edges(NODES)
SMALL = {"layers": 3, "search": {"width": 2}, "evaluation": {"width": 2, "stem": 8, "aspp": 8, "low_level": 4}}


def space(size: int = 32, channels: int = 3, outputs: int = 1, **settings: Any) -> Any:
    return search_space("autodl", Signature(2, True, (channels, size, size), outputs), settings)


def all_paths(layers: int, levels: int) -> list[tuple[int, ...]]:
    return [path for path in product(range(levels), repeat=layers) if is_path(path, levels)]


def test_golden_supernet() -> None:
    """Facts, section 6: 11,559,780 weights and 304 architecture parameters."""
    supernet = space(128).supernet()
    assert sum(parameter.numel() for parameter in supernet.weight_parameters()) == 11_559_780
    sizes = {name: parameter.numel() for name, parameter in supernet.architecture_parameters().items()}
    assert sizes == {"operations": 20 * 8, "levels": 12 * 4 * 3}
    assert sum(len(layer) for layer in supernet.layers) == 45


@pytest.mark.parametrize(("width", "golden"), [(20, 5_557_337), (32, 9_853_025 - 64 * 64)])
def test_golden_network(width: int, golden: int) -> None:
    """Facts, section 6: the published Cityscapes architecture with a head of one class.

    At width 32 the first cell does not project the stem's 64 channels: the reference has that projection but skips it.
    """
    cityscapes = space(128, evaluation={"width": width})
    assert count_parameters(cityscapes.build(cityscapes.default())) == golden


@pytest.mark.slow
def test_true_size() -> None:
    """One weight and architecture gradient of the whole supernet, and one of the network, at 85 x 85 (Darcy)."""
    full = space(85, pad_to=128)
    for network in (full.supernet(), full.build(full.default())):
        network(torch.randn(2, 3, 85, 85)).square().mean().backward()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("size", [16, 22, 32, 85, 128])
def test_output_has_the_size_of_the_input(size: int) -> None:
    small = space(size, channels=2, outputs=3, **SMALL)
    for network in (small.supernet(), small.build(small.default())):
        network(torch.randn(2, 2, size, size)).sum().backward()
        network.eval()
        assert network(torch.randn(1, 2, size, size)).shape == (1, 3, size, size)
        assert network(torch.randn(1, 2, size, size + 7)).shape == (1, 3, size, size + 7)
    assert count_multiply_adds(small.build(small.default()), (2, size, size)) > 0


def test_what_is_pooled_is_the_same_everywhere_and_depends_on_the_mean_alone() -> None:
    pool, x = ImagePool(3, 2).eval(), torch.randn(2, 3, 4, 5)
    out = pool(x)
    assert out.shape == (2, 2, 4, 5)
    one_pixel = x.flatten(2).mean(2)[..., None, None]
    torch.testing.assert_close(out, pool.branch(one_pixel).repeat(1, 1, 4, 5))


def test_initial_weights() -> None:
    """Stems as torch draws them, all other convolutions by He's normal distribution."""
    full = space(128)
    for network in (full.supernet(), full.build(full.default())):
        for name, weight in network.named_parameters():
            if weight.ndim == 4 and weight.numel() > 1000:
                fan_in = weight[0].numel()
                wanted = (1 / (3 * fan_in) if "stem" in name else 2 / fan_in) ** 0.5
                assert weight.std().item() == pytest.approx(wanted, rel=0.1), name


def test_a_first_cell_of_the_stems_width_does_not_project_it() -> None:
    cell = [["skip_connect", 0], ["skip_connect", 1]] * NODES
    small = space(32, **{**SMALL, "evaluation": {**SMALL["evaluation"], "width": 4, "stem": 16}})
    projected, passed = (
        small.build(small.compose(path, cell)).encoder.cells[0].preprocess0 for path in ([0, 1, 1], [1, 1, 1])
    )
    assert sum(each.numel() for each in projected.parameters()) == 8 * 4
    assert torch.equal(passed(x := torch.randn(2, 8, 3, 3)), x)


def test_slips_as_published() -> None:
    """The second layer's step from level 1 to itself has the weight of that to level 2; cells list inputs ascending."""
    plain, slipping = (space(**SMALL, slips=slips) for slips in (False, True))
    networks = [each.supernet().eval() for each in (plain, slipping)]
    for parameter in networks[0].architecture_parameters().values():
        torch.nn.init.normal_(parameter)
    networks[1].load_state_dict(networks[0].state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert not torch.allclose(networks[0](x), networks[1](x), rtol=1e-3)
    levels = networks[0].architecture["levels"].unflatten(1, (4, 3))
    with torch.no_grad():
        levels[1, 1, 1] = levels[1, 1, 2]
    networks[1].load_state_dict(networks[0].state_dict())
    torch.testing.assert_close(networks[0](x), networks[1](x))  # alike where both weights are
    weights = torch.full((EDGES, len(OPERATIONS)), 0.1)
    weights[0, 4], weights[1, 5] = 0.3, 0.4
    cell = plain.discretize(weights.numpy())
    assert cell[:2] == [["sep_conv_5x5", 1], ["sep_conv_3x3", 0]]
    assert plain.compose([0, 0, 0], cell)["cell"][:2] == cell[:2]
    assert slipping.compose([0, 0, 0], cell)["cell"][:2] == [["sep_conv_5x5", 0], ["sep_conv_3x3", 1]]


def test_best_path_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for layers, levels in ((1, 2), (2, 3), (4, 3), (5, 4)):
        paths = all_paths(layers, levels)
        for _ in range(20):
            weights = rng.random((layers, levels, 3))

            def weight(path: tuple[int, ...], weights: np.ndarray = weights) -> float:
                steps = enumerate(zip((0, *path), path, strict=False))
                return prod(weights[layer, source, direction(source, target)] for layer, (source, target) in steps)

            assert best_path(weights) == list(max(paths, key=weight))


def test_paths_are_drawn_uniformly() -> None:
    paths = all_paths(4, 4)
    rng = np.random.default_rng(0)
    drawn = [tuple(random_path(rng, 4)) for _ in range(200 * len(paths))]
    counts = np.array([drawn.count(path) for path in paths])
    assert counts.sum() == len(drawn)
    assert ((counts - 200) ** 2 / 200).sum() < 2 * len(paths)  # chi-squared; 1 per path is expected


@pytest.mark.parametrize("settings", [{}, {"none": False}, SMALL])
def test_samples_and_derived_architectures_are_of_the_space(settings: dict[str, Any]) -> None:
    here = space(**{**SMALL, **settings})
    rng = np.random.default_rng(0)
    for _ in range(20):
        architecture = here.sample(rng)
        assert json.loads(json.dumps(architecture)) == architecture
        here.check(architecture)
    here.build(architecture)
    here.check(here.default())
    supernet = here.supernet()
    for seed in range(5):
        torch.manual_seed(seed)
        for parameter in supernet.architecture_parameters().values():
            torch.nn.init.normal_(parameter)
        derived = here.derive(supernet)
        here.check(derived)
        assert (settings.get("none", True)) or "none" not in [operation for operation, _ in derived["cell"]]
        here.build(derived)


def test_derives_what_the_parameters_favour() -> None:
    full = space()
    supernet = full.supernet()
    wanted = full.default()
    with torch.no_grad():
        source = 0
        for layer, level in enumerate(wanted["path"]):
            supernet.architecture["levels"].unflatten(1, (4, 3))[layer, source, direction(source, level)] = 3.0
            source = level
        for node in range(NODES):
            for operation, edge in CITYSCAPES_CELL[2 * node : 2 * node + 2]:
                row = sum(range(2, node + 2)) + edge
                supernet.architecture["operations"][row, OPERATIONS.index(operation)] = 3.0
    derived = full.derive(supernet)
    assert derived["path"] == wanted["path"]
    assert [sorted(derived["cell"][i : i + 2]) for i in range(0, 10, 2)] == [
        sorted(wanted["cell"][i : i + 2]) for i in range(0, 10, 2)
    ]


def test_none_takes_an_edge_but_does_not_choose_it() -> None:
    """As published: edges are ranked without ``none``, operations chosen with it."""
    weights = torch.full((EDGES, len(OPERATIONS)), 0.1)
    weights[0, 0], weights[0, 4] = 0.9, 0.3
    weights[1, 5] = 0.2
    assert space().discretize(weights.numpy())[:2] == [["none", 0], ["sep_conv_5x5", 1]]
    assert space(none=False).discretize(weights.numpy())[:2] == [["sep_conv_3x3", 0], ["sep_conv_5x5", 1]]


def test_level_weights_of_the_borders_have_two_ways() -> None:
    weights = space(**SMALL).supernet().level_weights()
    torch.testing.assert_close(weights[:, 1:3].sum(2), torch.ones(3, 2))
    torch.testing.assert_close(weights[:, 0, 1:].sum(1), torch.full((3,), 2 / 3))
    torch.testing.assert_close(weights[:, 3, :2].sum(1), torch.full((3,), 2 / 3))


@pytest.mark.parametrize("earlier", [None, 6])
def test_cell_equals_one_call_per_path_edge_and_operation(earlier: int | None) -> None:
    """The batched cell against the definition: each path alone, each edge alone, weighted, summed."""
    torch.manual_seed(0)
    channels, incoming = 4, [5, 6, 7]
    cell = SearchCell(earlier, incoming, channels)
    mixtures, steps = torch.softmax(torch.randn(EDGES, 8), 1), torch.rand(3)
    s0 = None if earlier is None else torch.randn(2, earlier, 6, 5)
    s1 = [torch.randn(2, each, 6, 5) for each in incoming]
    layers = Layers(2, {"affine": False})
    plain = []
    for node in range(NODES):
        for source in range(node + 2):
            operation = MixedOperation(channels, 1, 1, layers)
            bundle = cell.bundle0 if source == 0 else cell.bundles[source - 1]
            if bundle is not None:
                with torch.no_grad():
                    copy_edge(operation, bundle, node - max(0, source - 1))
            plain.append(operation)
    expected: Any = 0

    def normalised(x: Any) -> Any:
        return F.batch_norm(x, None, None, training=True)

    for step, project, x in zip(steps, cell.project1, s1, strict=True):
        states = [None if s0 is None else normalised(cell.project0(F.relu(s0))), normalised(project(F.relu(x)))]
        for node in range(NODES):
            first = sum(range(2, node + 2))
            terms = [plain[first + i](s, mixtures[first + i]) for i, s in enumerate(states) if s is not None]
            states.append(torch.stack(terms).sum(0))
        expected = expected + step * torch.cat(states[2:], 1)
    order, leaving = edges_by_source(NODES)
    weights = mixtures[order].split(leaving)
    mixing = [cell.bundles[max(0, source - 1)].by_input(each) for source, each in enumerate(weights)]
    active = ([] if s0 is None else [F.relu(s0)], [[F.relu(x) for x in s1]])
    (found,) = SearchLayer([cell])(*active, [mixing], [kernels_of(cell.sources)], [steps])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [((4, 6), (8, 3)), ((1, 1), (4, 4)), ((5, 5), (1, 9)), ((3, 4), (3, 4))])
def test_resize_equals_torch(source: tuple[int, int], target: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *source, requires_grad=True)
    expected = F.interpolate(x, target, mode="bilinear", align_corners=True)
    with torch.inference_mode():
        resize(x, target)
    actual = resize(x, target)  # still differentiable after use in inference mode
    torch.testing.assert_close(actual, expected)
    slope = torch.randn_like(expected)
    gradients = [torch.autograd.grad(y, x, slope)[0] for y in (actual, expected)]
    torch.testing.assert_close(*gradients)


def test_padding() -> None:
    """Facts: 85 to 128 with 22 before and 21 after."""
    x = torch.randn(1, 1, 85, 128)
    padded = pad(x, 128)
    assert padded.shape == (1, 1, 128, 128)
    assert not padded[:, :, :22].any()
    assert not padded[:, :, 107:].any()
    assert torch.equal(crop(padded, 85, 128, 128), x)


def test_serves_dense_images_only() -> None:
    served = [pair for pair in product((1, 2), (True, False)) if SPEC.serves(*pair)]
    assert served == [(2, True)]


def change(key: str, value: Any) -> dict[str, Any]:
    return {**space().default(), key: value}


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"space": "darts", "normal": []}, "space 'darts' was given to space 'autodl'"),
        (change("reduce", []), "unknown key 'reduce'"),
        (change("path", [0] * 11), "12 levels"),
        (change("path", [0] * 11 + [2]), "one step at most"),
        (change("path", [2] * 12), "one step at most"),
        (change("path", [0] * 11 + [True]), "one step at most"),
        (change("path", [0, 1, 2, 3, 4, 3, 3, 3, 3, 3, 3, 3]), "0 to 3"),
        (change("cell", [["sep_conv_3x3", 0]] * 8), "10 pairs"),
        (change("cell", [["conv", 0]] * 10), "unknown operation 'conv'"),
        (change("cell", [["sep_conv_3x3", 2]] * 10), "input 2 of node 0"),
        (change("cell", [3] * 10), "not a pair"),
    ],
)
def test_refuses_foreign_architectures(architecture: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        space().build(architecture)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 2}, "spaces.autodl.layers: 2 was given; it must be at least 3"),
        ({"pad_to": 48}, "spaces.autodl.pad_to: 48 was given; it must be a multiple of 32"),
    ],
)
def test_refuses_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked(SPEC.settings, settings, "spaces.autodl")


def test_the_default_architecture_has_no_more_than_its_layers() -> None:
    with pytest.raises(UserError, match=r"layers 13; .* search instead"):
        space(layers=13).default()
