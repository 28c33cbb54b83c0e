"""The DenseNAS space: golden counts of the reference code, derivation, expected cost, every kind of task."""

from itertools import product

import numpy as np
import pytest
import torch

from nasperf360.algorithms.random.search import derivation
from nasperf360.errors import UserError
from nasperf360.estimate.sizes import PUBLISHED
from nasperf360.settings.checking import checked
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.densenas.networks import SKIP_COST
from nasperf360.spaces.densenas.spec import SPEC
from nasperf360.spaces.shared.counts import count_multiply_adds, count_parameters
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.tasks.shared.task_training import task_training

CIFAR = Signature(2, False, (3, 32, 32), 100)
TINY = Signature(2, False, (3, 16, 16), 5)
SMALL = {
    "stem": 4,
    "stages": [
        {"channels": [5, 6, 7], "layers": 0, "stride": 1},
        {"channels": [8, 9], "layers": 2, "stride": 2},
        {"channels": [10, 11], "layers": [1, 0], "stride": 2},
    ],
    "last": 6,
}
DENSE_STAGES = [{"channels": [48, 56, 64], "layers": 1}, {"channels": [72, 96, 112], "layers": 5}]
ONE_D_STAGES = [
    {"channels": [48, 56, 64], "layers": 1, "stride": 2},
    {"channels": [72, 96, 112], "layers": 5, "stride": 2},
]


def small(signature=TINY, **settings):
    return search_space("densenas", signature, {**SMALL, **settings})


def architecture(channels, layers):
    return {"space": "densenas", "channels": channels, "layers": layers}


@pytest.fixture(scope="module")
def cifar_supernet():
    torch.manual_seed(0)
    return search_space("densenas", CIFAR, {}).supernet()


def test_golden_graph():
    graph = search_space("densenas", CIFAR, {}).graph
    assert (len(graph.blocks) - 2, len(graph.edges), graph.paths) == (13, 54, 5_145)
    assert f"{graph.size:.2e}" == "6.84e+10"


@pytest.mark.slow
def test_golden_graph_of_imagenet():
    """Facts: upstream R1 has 20 blocks, 87 connections, 540,225 paths."""
    stages = [
        {"channels": [48, 56, 64], "layers": 0, "stride": 2},
        {"channels": [72, 96, 112], "layers": 5, "stride": 2},
        {"channels": [128, 144, 160, 176], "layers": 15, "stride": 2},
        {"channels": [192, 208, 224], "layers": 5, "stride": 1},
        {"channels": [240, 256, 272, 288], "layers": 5, "stride": 2},
        {"channels": [480, 496, 512], "layers": 1, "stride": 1},
    ]
    settings = {"stages": stages, "last": 512}
    space = search_space("densenas", Signature(2, False, (3, 224, 224), 100), settings)
    graph = space.graph
    assert (len(graph.blocks) - 2, len(graph.edges), graph.paths) == (20, 87, 540_225)
    assert f"{graph.size:.2e}" == "4.27e+15"
    with torch.device("meta"):
        supernet = space.supernet()
    assert sum(value.numel() for value in supernet.weight_parameters()) == 178_131_268
    assert sum(value.numel() for value in supernet.architecture_parameters().values()) == 397
    assert cost_of_everything(supernet) == pytest.approx(22_067.6, abs=0.05)
    for name, value in supernet.architecture.items():
        supernet.architecture[name] = torch.nn.Parameter(torch.zeros(value.shape))
    assert supernet.expected_cost().item() == pytest.approx(3290, abs=0.5)


def cost_of_everything(net):
    """All operations on all connections and in all stack layers, in millions of multiply-adds."""
    layers = zip(net.layer_costs, net.graph.blocks, strict=True)
    stacks = sum(cost * block.layers * (1 + SKIP_COST) for cost, block in layers)
    return net.fixed_cost + sum(net.head_costs.values()) + stacks


def test_golden_supernet(cifar_supernet):
    net = cifar_supernet
    assert sum(value.numel() for value in net.weight_parameters()) == 59_880_900
    assert sum(value.numel() for value in net.architecture_parameters().values()) == 285
    assert net.expected_cost().item() == pytest.approx(218.5, abs=0.1)
    assert cost_of_everything(net) == pytest.approx(1314.2, abs=0.05)


@pytest.mark.parametrize(
    ("channels", "layers", "parameters", "multiply_adds"),
    [
        ([32, 64, 112, 176, 224], [0, 0, 2, 0], 2_707_076, 262.8),
        ([32, 64, 112, 176, 192], [0, 0, 1, 0], 1_969_284, 215.9),
        ([32, 64, 112, 176, 192], [0, 0, 0, 0], 1_411_012, 180.2),
    ],
)
def test_golden_architectures(channels, layers, parameters, multiply_adds):
    network = search_space("densenas", CIFAR, {}).build(architecture(channels, layers))
    assert count_parameters(network) == parameters
    assert round(count_multiply_adds(network, (3, 32, 32)) / 1e6, 1) == multiply_adds


@pytest.mark.parametrize("layers", [0, 2])
def test_golden_random_cifar(layers):
    """Facts: the recorded random networks of CIFAR-100 have 1,590,532 or 1,816,772 parameters."""
    stages = [
        {"channels": [48, 56, 64], "layers": 0, "stride": 1},
        {"channels": [72, 96, 112], "layers": 2, "stride": 2},
        {"channels": [128, 144, 160, 176], "layers": [1, 0, 0, 0], "stride": 2},
        {"channels": [192, 208, 224], "layers": [0, 0, 1], "stride": 1},
    ]
    space = search_space("densenas", CIFAR, {"stages": stages})
    network = space.build(architecture([32, 64, 112, 176, 224], [0, layers // 2, 0, 0]))
    assert count_parameters(network) == {0: 1_590_532, 2: 1_816_772}[layers]


FULL_PATH, SHORT_PATH = [32, 64, 112, 176, 224], [32, 64, 112]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "path", "layers"),
    [
        ("cifar100", FULL_PATH, [0, 2, 0, 1]),
        ("spherical", FULL_PATH, [0, 1, 2, 1]),
        ("ninapro", FULL_PATH, [0, 5, 15, 5]),
        ("fsd50k", FULL_PATH, [0, 1, 2, 2]),
        ("satellite", FULL_PATH, [0, 1, 2, 2]),
        ("darcy", SHORT_PATH, [1, 5]),
        ("psicov", SHORT_PATH, [1, 5]),
        ("cosmic", [16, 32, 56], [1, 5]),
        ("ecg", SHORT_PATH, [1, 2]),
        ("deepsea", SHORT_PATH, [1, 2]),
    ],
)
def test_random_networks_of_the_paper_have_one_path(task, path, layers):
    """Derived from 200 initialisations of the supernet: one path on each task, and a fair coin per stack layer."""
    shipped = read_yaml(configuration.ROOT / "config" / "config.yaml")
    config = configuration.resolve({**shipped, "scale": "paper"})
    signature = task_training(task).signature(PUBLISHED[task].shape)
    space = search_space("densenas", signature, configuration.space_settings(config, task, "densenas-random"))
    sampler = derivation(space)
    drawn = [sampler(seed) for seed in range(200)]
    assert {tuple(each["channels"]) for each in drawn} == {tuple(path)}
    counts = np.array([each["layers"] for each in drawn])
    assert counts.min(0).min() == 0
    assert (counts.max(0) <= layers).all()
    # Six standard deviations of a mean of 200.
    assert np.abs(counts.mean(0) - np.array(layers) / 2).max() < 6 * (max(layers) / 4 / 200) ** 0.5
    distinct = len({tuple(each["layers"]) for each in drawn})
    assert distinct == np.prod(np.add(layers, 1)) if task != "ninapro" else 80 < distinct < 140


# -- paths ---------------------------------------------------------------------------------------------------------


def all_paths(graph, index=0):
    if index == len(graph.blocks) - 1:
        return [[]]
    return [[target, *rest] for target in graph.successors[index] for rest in all_paths(graph, target)]


def weight_of(graph, weights, path):
    value, index = 1.0, 0
    for target in path:
        value *= weights[index][graph.successors[index].index(target)]
        index = target
    return value


@pytest.mark.parametrize("seed", range(20))
def test_derivation_equals_brute_force(seed):
    """Viterbi over the blocks against every path; stack layers against their larger parameter."""
    space = small()
    graph, rng = space.graph, np.random.default_rng(seed)
    supernet = space.supernet()
    with torch.no_grad():
        for value in supernet.architecture_parameters().values():
            value.copy_(torch.from_numpy(2 * rng.standard_normal(value.shape)))
    weights = [torch.softmax(group, 0).tolist() for group in supernet.groups("connections")]
    paths = all_paths(graph)
    assert len(paths) == graph.paths > 50
    *best, tail = max(paths, key=lambda path: weight_of(graph, weights, path))
    assert tail == len(graph.blocks) - 1
    blocks = supernet.architecture["layers"].argmax(1) == 0
    rows, row = {}, 0
    for index, block in enumerate(graph.blocks):
        rows[index] = slice(row, row := row + block.layers)
    expected = architecture(
        [graph.blocks[index].width for index in [0, *best]], [int(blocks[rows[index]].sum()) for index in best]
    )
    assert space.derive(supernet) == expected


def test_a_layer_that_outweighs_nothing_is_left_out():
    """Where a basic block and the skip weigh the same, the smaller network is taken."""
    space = small()
    supernet = space.supernet()
    with torch.no_grad():
        supernet.architecture["layers"].fill_(0.5)
    assert sum(space.derive(supernet)["layers"]) == 0


def test_best_path_takes_no_connection_of_weight_zero():
    graph = small().graph
    weights = [[0.0] * len(targets) for targets in graph.successors]
    wanted = [2, 3, 4, 6]
    for source, target in zip([0, *wanted], [*wanted, len(graph.blocks) - 1], strict=True):
        weights[source][graph.successors[source].index(target)] = 1e-9
    assert graph.best_path(weights) == wanted


def test_sample_is_uniform_over_all_networks():
    space = small()
    graph = space.graph
    rng, draws = np.random.default_rng(0), 20_000
    counts = {}
    for _ in range(draws):
        path, layers = graph.sample(rng)
        key = (*path, -1, *layers)
        counts[key] = counts.get(key, 0) + 1
    networks = sum(int(np.prod([graph.blocks[index].layers + 1 for index in path[:-1]])) for path in all_paths(graph))
    assert graph.size == networks == len(counts)
    expected = draws / networks
    chi2 = sum((count - expected) ** 2 / expected for count in counts.values())
    assert abs(chi2 - networks) < 5 * (2 * networks) ** 0.5


def test_samples_are_of_the_space():
    space = small()
    for seed in range(50):
        drawn = space.sample(np.random.default_rng(seed))
        space.check(drawn)
        assert space.sample(np.random.default_rng(seed)) == drawn


# -- cost ----------------------------------------------------------------------------------------------------------


def test_expected_cost_equals_enumeration_of_paths():
    """Sum over all paths of probability times cost, the stack layers at their expectation."""
    space = small()
    graph = space.graph
    torch.manual_seed(1)
    net = space.supernet()
    with torch.no_grad():
        for value in net.architecture_parameters().values():
            value.normal_()
    weights = [torch.softmax(group / 0.9, 0).tolist() for group in net.groups("connections")]
    layers = torch.softmax(net.architecture["layers"], 1).detach()
    expected = net.fixed_cost
    row = [sum(block.layers for block in graph.blocks[:index]) for index in range(len(graph.blocks))]
    for path in all_paths(graph):
        cost, index = 0.0, 0
        for target in path:
            mixed = layers[row[target] : row[target] + graph.blocks[target].layers]
            cost += net.head_costs[index, target]
            cost += net.layer_costs[target] * float((mixed @ torch.tensor([1.0, SKIP_COST])).sum())
            index = target
        expected += weight_of(graph, weights, path) * cost
    assert net.expected_cost().item() == pytest.approx(expected, rel=1e-5)


def test_costs_are_those_of_the_modules():
    """Each connection's and stack layer's analytic cost against a count on the module itself, odd sizes included."""
    space = small(Signature(2, False, (3, 15, 22), 5))
    net, sizes = space.supernet().eval(), {}
    stacks = ((f"s{index}", stack[0]) for index, stack in enumerate(net.stacks) if len(stack))
    for name, module in [*net.heads.items(), *stacks]:
        module.register_forward_pre_hook(lambda _, args, name=name: sizes.setdefault(name, args[0].shape[1:]) and None)
    net(torch.zeros(1, 3, 15, 22))
    for (source, target), cost in net.head_costs.items():
        name = f"{source}-{target}"
        assert count_multiply_adds(net.heads[name], sizes[name]) / 1e6 == pytest.approx(cost, rel=1e-9)
    for index, stack in enumerate(net.stacks):
        if len(stack):
            counted = count_multiply_adds(stack[0], sizes[f"s{index}"]) / 1e6
            assert counted == pytest.approx(net.layer_costs[index], rel=1e-9)


def test_the_classifier_costs_what_one_position_costs():
    """As published, of dense tasks, too: its counter does not multiply linear layers by positions."""
    stages = [{"channels": [5], "layers": 0}]
    space = search_space("densenas", Signature(2, True, (3, 7, 9), 4), {"stem": 2, "stages": stages, "last": 6})
    stem = 7 * 9 * 9 * 3 * 2
    assert space.supernet().fixed_cost == pytest.approx((stem + 6 * 4) / 1e6, rel=1e-12)


def test_initial_weights():
    """Kaiming-normal convolutions by fan out; the classifier as torch draws it, its bias too."""
    space = search_space("densenas", CIFAR, {})
    for network in (space.supernet(), space.build(architecture(FULL_PATH, [0, 5, 15, 5]))):
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d) and layer.weight.numel() > 20_000:
                fan_out = layer.weight[:, 0].numel()
                assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
        linear = network.head.linear
        bound = linear.in_features**-0.5
        assert linear.bias.abs().max() <= bound
        assert linear.bias.std().item() == pytest.approx(bound / 3**0.5, rel=0.3)


def test_one_dimensional_cost_is_zero_as_published_or_counted():
    """Facts: on ECG the reference's cost is 0.000448 million whatever the architecture."""
    signature = Signature(1, False, (1, 1000), 4)
    settings = {"stages": ONE_D_STAGES, "last": 112}
    net = search_space("densenas", signature, settings).supernet()
    assert net.expected_cost().item() == pytest.approx(0.000448, rel=1e-5)
    gradients = torch.autograd.grad(
        net.expected_cost(), list(net.architecture_parameters().values()), allow_unused=True
    )
    assert all(gradient is None or not gradient.any() for gradient in gradients)
    assert search_space("densenas", signature, {**settings, "cost_in_1d": True}).supernet().expected_cost().item() > 1


# -- forward -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_forward_is_the_published_relaxation(count):
    """Against the definition written as a recursion from the tail, with one and with two operations per layer."""
    torch.manual_seed(0)
    net = small().supernet().eval()
    for value in net.architecture_parameters().values():
        torch.nn.init.normal_(value)
    net.sample_operations(count, uniform=True)
    graph, x = net.graph, torch.randn(4, 3, 16, 16)
    chosen = net.sampled["layers"]
    weights = [torch.softmax(group / 0.9, 0) for group in net.groups("connections")]
    mixed = [torch.softmax(values[rows], 0) for values, rows in zip(net.architecture["layers"], chosen, strict=True)]

    def output(index):
        if index == 0:
            return net.stem(x)
        sources = [source for source, targets in enumerate(graph.successors) if index in targets]
        p = torch.stack([weights[source][graph.successors[source].index(index)] for source in sources])
        if index == net.tail:
            p = torch.softmax(p, 0)
        value = sum(w * net.heads[f"{source}-{index}"](output(source)) for w, source in zip(p, sources, strict=True))
        first = sum(block.layers for block in graph.blocks[:index])
        for number, block in enumerate(net.stacks[index]):
            options = [block(value), value]
            row = first + number
            value = sum(w * options[option] for w, option in zip(mixed[row], chosen[row].tolist(), strict=True))
        return value

    torch.testing.assert_close(net(x), net.head(output(net.tail)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("signature", "settings"),
    [
        (Signature(2, False, (1, 24, 25), 7), SMALL),
        (Signature(1, False, (1, 46), 24), SMALL),
        (Signature(1, False, (4, 101), 36), SMALL),
        (Signature(2, True, (3, 21, 21), 1), SMALL),
    ],
)
def test_every_kind_of_task(signature, settings):
    """Any size, no padding by hand: the outputs are those of the task; dense outputs keep the resolution."""
    space = search_space("densenas", signature, settings)
    x = torch.randn(2, *signature.input_shape)
    shape = (2, signature.outputs, *(signature.input_shape[1:] if signature.dense else ()))
    supernet = space.supernet()
    supernet.sample_operations(1, uniform=True)
    assert supernet(x).shape == shape
    supernet.sampled.clear()
    output = supernet(x)
    assert output.shape == shape
    output.sum().backward()
    assert all(value.grad is not None for value in supernet.weight_parameters())
    network = space.build(space.sample(np.random.default_rng(0)))
    assert network(x).shape == shape
    if signature.dense:
        assert all(layer.stride in ((1, 1), 1) for layer in network.modules() if hasattr(layer, "stride"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signature", "settings"),
    [
        (Signature(2, False, (1, 96, 101), 200), {}),
        (Signature(2, True, (3, 85, 85), 1), {"stages": DENSE_STAGES, "last": 112}),
        (Signature(1, False, (1, 1000), 4), {"stages": ONE_D_STAGES, "last": 112}),
    ],
)
def test_true_sizes(signature, settings):
    space = search_space("densenas", signature, settings)
    supernet = space.supernet()
    supernet.sample_operations(1, uniform=True)
    x = torch.randn(2, *signature.input_shape)
    assert supernet(x).shape[:2] == (2, signature.outputs)
    assert space.build(space.derive(supernet))(x).shape[:2] == (2, signature.outputs)


def test_sampling_follows_the_weights():
    space = small(stages=[{"channels": [5], "layers": 400, "stride": 1}])
    net = space.supernet()
    net.architecture["layers"] = torch.nn.Parameter(torch.tensor([[0.0, np.log(3.0)]]).repeat(400, 1).float())
    net.architecture["heads"] = torch.nn.Parameter(torch.zeros(1, 1))
    torch.manual_seed(0)
    net.sample_operations(1, uniform=False)
    assert net.sampled["layers"].float().mean().item() == pytest.approx(0.75, abs=0.07)
    net.sample_operations(1, uniform=True)
    assert net.sampled["layers"].float().mean().item() == pytest.approx(0.5, abs=0.08)
    net.sample_operations(2, uniform=False)
    assert net.sampled["layers"].tolist() == [[0, 1]] * 400


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"space": "darts"}, "darts"),
        (architecture([4, 5, 8, 99], [0, 0, 0]), "99"),
        (architecture([4, 8, 10], [0, 0]), "no path"),
        (architecture([4, 5, 8], [0, 0]), "no path"),
        (architecture([5, 8, 10], [0, 0]), "no path"),
        (architecture([4, 5, 8, 10], [0, 3, 0]), "allowed are 0 to 2"),
        (architecture([4, 5, 8, 10], [0, 1]), "2 numbers of layers for 3"),
        (architecture([], []), "no path"),
    ],
)
def test_foreign_architectures_are_refused(given, word):
    with pytest.raises(UserError, match=word):
        small().build(given)


STAGE = {"channels": [5, 6], "layers": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stem": 5}, r"spaces.densenas: the blocks' channels \[5, 5, 6\] name one twice"),
        ({"stages": [STAGE | {"layers": [1]}]}, r"stages.0: layers \[1\]; give a whole number, or a list of 2"),
        ({"stages": [STAGE | {"stride": 3}]}, "stages.0.stride: 3 was given, a whole number from 1 to 2 is expected"),
        ({"stages": [STAGE | {"stride": True}]}, "stages.0.stride: True was given"),
        ({"stages": [STAGE | {"channels": []}]}, "stages.0.channels: an empty list was given"),
        ({"stages": [STAGE | {"channels": [5, 0]}]}, "stages.0.channels.1: 0 was given"),
        ({"stages": [STAGE | {"layers": -1}]}, "stages.0.layers: -1 was given"),
        ({"stages": [STAGE | {"layers": [1, -1]}]}, "stages.0.layers.1: -1 was given"),
        ({"stages": [{"channels": [5, 6]}]}, "stages.0.layers is missing"),
        ({"stages": [STAGE | {"strides": 1}]}, "unknown setting 'strides'; did you mean 'stride'"),
        ({"stages": []}, "stages: an empty list was given"),
        ({"stages": [3]}, "stages.0: 3 was given, a mapping is expected"),
    ],
)
def test_impossible_stages_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        checked(SPEC.settings, {"stages": [STAGE], **given}, "spaces.densenas")


def test_all_small_paths_pass_the_check():
    space = small()
    for path in all_paths(space.graph):
        widths = [space.graph.blocks[index].width for index in [0, *path[:-1]]]
        for layers in product(*(range(space.graph.blocks[index].layers + 1) for index in path[:-1])):
            space.check(architecture(widths, list(layers)))
