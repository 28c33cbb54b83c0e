"""The DARTS space: published counts, two implementations of the supernet, sizes, derivation, drop-path, refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nasperf360.errors import UserError
from nasperf360.settings.checking import checked
from nasperf360.spaces.darts.network import EvaluationNetwork
from nasperf360.spaces.darts.spec import SPEC, DartsEvaluation
from nasperf360.spaces.darts.supernet import SearchNetwork
from nasperf360.spaces.shared.cells import OPERATIONS
from nasperf360.spaces.shared.counts import count_parameters
from nasperf360.spaces.shared.evaluation_cell import drop_path
from nasperf360.spaces.shared.operations import FactorizedReduce, Layers
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature

CIFAR10 = Signature(2, False, (3, 32, 32), 10)
CIFAR100 = Signature(2, False, (3, 32, 32), 100)

SHORT = {"m": "max_pool_3x3", "a": "avg_pool_3x3", "i": "skip_connect", "s3": "sep_conv_3x3", "s5": "sep_conv_5x5",
         "d3": "dil_conv_3x3", "d5": "dil_conv_5x5"}  # fmt: skip


def cell(text: str) -> list[list[Any]]:
    """A cell from pairs such as ``s3/0``."""
    return [[SHORT[name], int(source)] for name, source in (pair.split("/") for pair in text.split())]


# Public genotypes of Liu et al. 2019 and Xu et al. 2020, and those that the benchmark found on CIFAR-100.
GENOTYPES = {
    "DARTS_V1": ("s3/1 s3/0 i/0 s3/1 i/0 s3/1 s3/0 i/2", "m/0 m/1 i/2 m/0 m/0 i/2 i/2 a/0"),
    "DARTS_V2": ("s3/0 s3/1 s3/0 s3/1 s3/1 i/0 i/0 d3/2", "m/0 m/1 i/2 m/1 m/0 i/2 i/2 m/1"),
    "PC_DARTS_cifar": ("s3/1 i/0 s3/0 d3/1 s5/0 s3/1 a/0 d3/1", "s5/1 m/0 s5/1 s5/2 s3/0 s3/3 s3/1 s3/2"),
    "PC_DARTS_image": ("i/1 s3/0 s3/0 i/1 s3/1 s3/3 s3/1 d5/4", "s3/0 i/1 d5/2 m/1 s3/2 s3/1 s5/0 s3/3"),
    "seed 0": ("d5/1 d5/0 s5/2 s5/0 s3/0 s5/3 s3/3 d3/0", "m/1 m/0 m/1 s5/2 m/1 s5/2 a/1 d3/3"),
    "seed 1": ("s3/1 d5/0 s5/1 s5/0 s3/2 m/3 s5/0 s5/2", "m/0 m/1 s5/0 s5/1 s3/0 d5/3 d5/3 d5/4"),
    "seed 2": ("s5/1 s3/0 s3/2 d5/1 s5/3 s5/2 s5/2 s5/3", "s5/1 s3/0 d5/2 d5/1 d3/2 s5/3 s3/4 d5/2"),
}


def darts(signature: Signature, settings: dict[str, Any] | None = None) -> Any:
    return search_space("darts", signature, settings or {})


def architecture(name: str) -> dict[str, Any]:
    normal, reduce = GENOTYPES[name]
    return {"space": "darts", "normal": cell(normal), "reduce": cell(reduce)}


@pytest.mark.parametrize(
    ("name", "signature", "parameters"),
    [
        ("DARTS_V1", CIFAR10, 3_169_414),
        ("DARTS_V2", CIFAR10, 3_349_342),
        ("PC_DARTS_cifar", CIFAR10, 3_634_678),
        ("PC_DARTS_image", CIFAR10, 3_721_510),
        ("DARTS_V2", CIFAR100, 3_401_272),
        ("PC_DARTS_cifar", CIFAR100, 3_686_608),
        ("seed 0", CIFAR100, 4_109_968),
        ("seed 1", CIFAR100, 4_257_712),
        ("seed 2", CIFAR100, 4_750_840),
    ],
)
def test_published_networks(name: str, signature: Signature, parameters: int) -> None:
    assert count_parameters(darts(signature, {}).build(architecture(name))) == parameters


@pytest.mark.parametrize("implementation", ["grouped", "plain"])
@pytest.mark.parametrize(("partial", "outputs", "weights"), [(4, 10, 299_578), (4, 100, 322_708), (1, 10, 1_930_618)])
def test_published_supernets(implementation: str, partial: int, outputs: int, weights: int) -> None:
    search = {"implementation": implementation, "partial": partial}
    space = darts(Signature(2, False, (3, 32, 32), outputs), {"search": search})
    supernet = space.supernet()
    assert sum(value.numel() for value in supernet.weight_parameters()) == weights
    assert sum(value.numel() for value in supernet.architecture_parameters().values()) == 252


SIZES = [
    (Signature(2, False, (3, 16, 16), 10), {"depth": 3}),
    (Signature(2, False, (3, 17, 14), 5), {"width": 8, "depth": 4}),
    (Signature(2, False, (1, 16, 16), 5), {"width": 4, "depth": 3, "partial": 1}),
    (Signature(2, True, (3, 13, 11), 1), {"width": 8, "depth": 3}),
    (Signature(1, False, (4, 45), 3), {"width": 8, "depth": 3}),
]


def both_implementations(signature: Signature, settings: dict[str, Any]) -> tuple[SearchNetwork, SearchNetwork]:
    """The plain and the grouped one with the same weights and random architecture parameters."""
    torch.manual_seed(0)
    plain, grouped = (
        darts(signature, {"search": {**settings, "implementation": each}}).supernet() for each in ("plain", "grouped")
    )
    assert isinstance(plain, SearchNetwork)
    assert isinstance(grouped, SearchNetwork)
    plain.stem.load_state_dict(grouped.stem.state_dict())
    plain.head.load_state_dict(grouped.head.state_dict())
    for mine, theirs in zip(plain.cells, grouped.cells, strict=True):
        mine.copy_grouped(theirs)
    for name, value in grouped.architecture.items():
        nn.init.normal_(value)
        plain.architecture[name].data.copy_(value.data)
    return plain, grouped


@pytest.mark.parametrize(("signature", "settings"), SIZES)
def test_implementations_give_the_same_outputs(signature: Signature, settings: dict[str, Any]) -> None:
    plain, grouped = both_implementations(signature, settings)
    x = torch.randn(4, *signature.input_shape)
    for _ in range(2):  # the second time, running statistics of the first are in use
        torch.testing.assert_close(grouped(x), plain(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grouped.eval()(x), plain.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("signature", "settings"), SIZES)
def test_implementations_give_the_same_gradients(signature: Signature, settings: dict[str, Any]) -> None:
    # In float64: in float32 a rounding can flip a ReLU or a maximum, and with it a whole gradient.
    plain, grouped = (each.double() for each in both_implementations(signature, settings))
    x = torch.randn(4, *signature.input_shape, dtype=torch.float64)
    direction = torch.randn_like(plain(x))
    for each in (plain, grouped):
        (each(x) * direction).sum().backward()
    for name, value in grouped.architecture.items():
        torch.testing.assert_close(plain.architecture[name].grad, value.grad)
    for name, value in grouped.stem.named_parameters():  # all gradients of weights pass through to the stem
        torch.testing.assert_close(plain.stem.get_parameter(name).grad, value.grad)
    norms = [sum(float(weight.grad.square().sum()) for weight in each.weight_parameters()) for each in (plain, grouped)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)


@pytest.mark.slow
def test_implementations_agree_at_published_size() -> None:
    plain, grouped = both_implementations(CIFAR10, {})
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(grouped(x), plain(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("signature", "output"),
    [
        (Signature(2, False, (1, 96, 101), 7), (2, 7)),
        (Signature(2, False, (3, 60, 60), 7), (2, 7)),
        (Signature(2, True, (3, 85, 85), 1), (2, 1, 85, 85)),
        (Signature(1, False, (1, 46), 24), (2, 24)),
        (Signature(1, False, (4, 1000), 36), (2, 36)),
    ],
)
def test_every_size_and_dimension(signature: Signature, output: tuple[int, ...]) -> None:
    space = darts(signature, {"search": {"width": 8, "depth": 3}, "evaluation": {"width": 4, "depth": 3}})
    x = torch.randn(2, *signature.input_shape)
    supernet = space.supernet()
    network = space.build(space.sample(np.random.default_rng(0)))
    with torch.no_grad():
        assert supernet(x).shape == output
        assert network(x).shape == output


def test_factorized_reduce_at_odd_size() -> None:
    """Where an even image reads its second pixel, an odd one reads zeros beyond the border."""
    reduce = FactorizedReduce(2, 4, Layers(2, {"affine": False})).eval()
    x = torch.randn(1, 2, 5, 7).abs()
    padded = torch.zeros(1, 2, 6, 8)
    padded[:, :, :5, :7] = x
    torch.testing.assert_close(reduce(x), reduce(padded))


def test_one_dimension_has_kernels_of_height_one() -> None:
    space = darts(Signature(1, False, (1, 46), 24), {})
    network = space.build(architecture("DARTS_V2"))
    assert {layer.weight.shape[2] for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {1}


def test_dense_networks_have_one_kind_of_cell() -> None:
    space = darts(Signature(2, True, (3, 16, 16), 1), {"search": {"width": 8, "depth": 4}})
    found = space.derive(space.supernet())
    assert sorted(found) == ["normal", "space"]
    space.check(found)
    assert sorted(space.supernet().architecture_parameters()) == ["edges_normal", "operations_normal"]


def test_samples_belong_to_the_space_and_vary() -> None:
    space, rng = darts(CIFAR10, {}), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(200)]
    for each in drawn:
        space.check(each)
    last_inputs = {tuple(source for _, source in each["normal"][6:]) for each in drawn}
    assert len(last_inputs) == 10  # all pairs of five inputs
    names = {name for each in drawn for name, _ in each["reduce"]}
    assert names == set(OPERATIONS[1:])


def test_discretizes_the_cell_that_weighs_most() -> None:
    operations, edges = torch.full((14, 8), 0.1), torch.ones(14)
    operations[:, 0] = 0.9  # none never counts
    operations[0, 4], operations[1, 7] = 0.3, 0.2  # node 0 has two inputs only
    operations[2, 1], operations[3, 2], operations[4, 3] = 0.3, 0.5, 0.4  # node 1: inputs 1 and 2
    edges[6] = 3.0  # node 2: input 1 by its edge weight
    operations[5, 5] = 0.2  # and input 0
    operations[10, 6], operations[13, 6] = 0.4, 0.8  # node 3: inputs 4 and 1
    expected = cell("s3/0 d5/1 a/1 i/2 m/1 s5/0 d3/4 d3/1")
    space = darts(CIFAR10)
    supernet = space.supernet()
    supernet.relax = lambda values: values
    with torch.no_grad():
        supernet.architecture["operations_normal"].copy_(operations)
        supernet.architecture["edges_normal"].copy_(edges)
    assert space.derive(supernet)["normal"] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "densenas"}, "densenas"),
        ({"normal": cell("s3/0 s3/1")}, "8 pairs"),
        ({"normal": [["sep_conv_7x7", 0], *architecture("DARTS_V1")["normal"][1:]]}, "sep_conv_7x7"),
        ({"normal": [["none", 0], *architecture("DARTS_V1")["normal"][1:]]}, "none"),
        ({"reduce": [["skip_connect", 2], *architecture("DARTS_V1")["reduce"][1:]]}, "input 2 of node 0"),
        ({"auxiliary": []}, "auxiliary"),
    ],
)
def test_refuses_foreign_architectures(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        darts(CIFAR10, {}).check({**architecture("DARTS_V1"), **change})


def test_refuses_a_missing_cell() -> None:
    only_normal = {key: value for key, value in architecture("DARTS_V1").items() if key != "reduce"}
    with pytest.raises(UserError, match="'reduce' is missing"):
        darts(CIFAR10, {}).check(only_normal)


def test_stem_stride_halves_point_networks_and_is_refused_for_dense() -> None:
    settings = {"search": {"width": 8, "depth": 3, "stem_stride": 2}, "evaluation": {"width": 4, "stem_stride": 2}}
    space = darts(CIFAR10, settings)
    for built in (space.supernet(), space.build(architecture("DARTS_V2"))):
        assert built.stem(torch.zeros(2, 3, 15, 16)).shape[2:] == (8, 8)
    for part in settings:
        with pytest.raises(UserError, match=f"spaces.darts: {part} stem_stride 2"):
            darts(Signature(2, True, (3, 16, 16), 1), {part: settings[part]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 12}, "search: width 12; it must be a multiple of 8"),
        ({"depth": 2}, "search.depth: 2 was given; it must be at least 3"),
        ({"width": 8, "partial": 8}, "search: width 8; it must be a multiple of 16"),
    ],
)
def test_refuses_impossible_supernets(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"spaces.darts.{message}"):
        checked(SPEC.settings, {"search": settings}, "spaces.darts")


def test_drop_path_is_per_sample_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = drop_path(torch.ones(4000, 2, 3, 3), 0.3)
    per_sample = dropped.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.05)


def network(normal: str, **settings: Any) -> EvaluationNetwork:
    torch.manual_seed(0)
    evaluation = DartsEvaluation.model_validate({"width": 4, "depth": 3, **settings})
    reduce = cell("m/0 m/1 m/0 m/1 m/0 m/1 m/0 m/1")
    return EvaluationNetwork(
        3, 4, normal=cell(normal), reduce=reduce, dimensions=2, dense=True, **evaluation.params()
    )  # fmt: skip


def test_drop_path_ramps_and_spares_identities() -> None:
    x = torch.randn(16, 3, 8, 8)
    pooled, identity = (network(f"{op}/0 {op}/1 " * 4, drop_path=0.9) for op in ("a", "i"))
    for net in (pooled, identity):
        net.start_epoch(0, 10)
        assert net.dropping == 0
        torch.testing.assert_close(net(x), net(x))
        net.start_epoch(5, 10)
        assert net.dropping == pytest.approx(0.45)
    assert not torch.equal(pooled(x), pooled(x))
    torch.testing.assert_close(identity(x), identity(x))
    torch.testing.assert_close(pooled.eval()(x), pooled.eval()(x))
    slow = network("a/0 a/1 " * 4, drop_path=0.3, drop_path_epochs=600)
    slow.start_epoch(150, 150)
    assert slow.dropping == pytest.approx(0.075)


def test_norm_settings_hold_in_cells_and_not_in_the_stem() -> None:
    norm = {"momentum": 0.999, "eps": 0.001}
    everywhere = network("s3/0 s3/1 " * 4, norm=norm)
    inputs = network("s3/0 s3/1 " * 4, norm=norm, norm_operations=False)

    def changed(net: EvaluationNetwork) -> set[str]:
        norms = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d)]
        return {name for name, layer in norms if (layer.momentum, layer.eps) == (0.999, 0.001)}

    assert not any("stem" in name for name in changed(everywhere))
    assert sum("operations" in name for name in changed(everywhere)) == 3 * 8 * 2
    assert {name.split(".")[2] for name in changed(inputs)} == {"preprocess0", "preprocess1"}
    assert len(changed(inputs)) == 6
