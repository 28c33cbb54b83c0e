"""The DenseNAS search: steps, data parts, cost penalty, resume, and answers planted in the data and in the cost."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import synthetic
from nasperf360.algorithms.densenas.search import DenseNasSteps, renormalise
from nasperf360.algorithms.densenas.search import search as densenas_search
from nasperf360.algorithms.densenas.spec import SPEC
from nasperf360.algorithms.gaea.search import SimplexRule
from nasperf360.algorithms.gaea.spec import GaeaSettings
from nasperf360.algorithms.shared.problem import Problem
from nasperf360.errors import DivergedError, UserError
from nasperf360.seeds import derive_seed
from nasperf360.spaces.shared.counts import count_multiply_adds
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.training.checkpoints import Checkpoint

SETTINGS = {
    "epochs": 6,
    "warmup_epochs": 1,
    "validate_every": 0,
    "batch_size": 16,
    "lr": 0.05,
    "momentum": 0.9,
    "weight_decay": 4e-5,
    "schedule": {"name": "cosine", "per_step": True, "final": 1e-5},
    "architecture": {"optimizer": "adam", "lr": 0.02, "betas": [0.5, 0.999], "weight_decay": 1e-3},
    "cost_weight": 0.2,
    "cost_base": 3500,
}
DEEP = {"stem": 8, "stages": [{"channels": [9], "layers": 4, "stride": 1}], "last": 8, "stem_stride": 1}
TWO = {
    "stem": 4,
    "stages": [
        {"channels": [5, 20], "layers": 2, "stride": 1},
        {"channels": [6, 21], "layers": 1, "stride": 2},
    ],
    "last": 8,
}


def problem(data, folder, seed=0, **settings):
    checkpoint = Checkpoint(folder, {"seed": seed, "settings": json.dumps(settings, sort_keys=True)})
    cpu = torch.device("cpu")
    given = SPEC.settings.model_validate({**SETTINGS, **settings})
    return Problem(data.task, data.dataset, given, {}, None, seed, cpu, checkpoint, label="search")


def search(data, folder, space_settings, seed=0, **settings):
    space = search_space("densenas", data.signature, space_settings)
    return densenas_search(space, problem(data, folder, seed, **settings))


def noise(folder, samples):
    """Data that hold nothing to learn."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.standard_normal((count, 3, 8, 8)).astype(np.float32), rng.integers(2, size=count))
        for name, count in samples.items()
    }
    return synthetic.from_arrays(folder, arrays, synthetic.SyntheticTask(2, "point"))


@pytest.mark.slow
def test_finds_the_cheapest_network_where_only_cost_matters(tmp_path):
    """Nothing to learn, a strong penalty: the cheapest of all networks, which the untrained derivation never gives."""
    data = noise(tmp_path, {"train": 320, "valid": 32, "test": 32})
    space = search_space("densenas", data.signature, TWO)
    drawn = {json.dumps(space.sample(np.random.default_rng(seed))): None for seed in range(2000)}
    assert len(drawn) == space.graph.size
    networks = [json.loads(text) for text in drawn]
    costs = [count_multiply_adds(space.build(network), data.signature.input_shape) for network in networks]
    cheapest = networks[int(np.argmin(costs))]
    assert cheapest["channels"] == [4, 5, 6]
    settings = {"cost_weight": 5.0, "architecture": {**SETTINGS["architecture"], "lr": 0.05}}
    found = [search(data, tmp_path / str(seed), TWO, seed, **settings) for seed in range(4)]
    assert sum(result.architecture == cheapest for result in found) >= 3
    assert all(result.history[-1]["expected_cost"] < result.history[0]["expected_cost"] for result in found)
    for seed in range(4):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        assert space.derive(space.supernet())["channels"] == [4, 20, 21]


@pytest.mark.slow
def test_finds_depth_where_the_data_need_it(tmp_path):
    """A ring that few layers see badly, at no cost: the search keeps nearly all layers; a fair coin would keep half."""
    data = synthetic.write(tmp_path, samples={"train": 640, "valid": 32, "test": 32})
    kept = [
        search(data, tmp_path / str(seed), DEEP, seed, cost_weight=0.0).architecture["layers"][0] for seed in range(5)
    ]
    assert sum(layers >= 3 for layers in kept) >= 4, kept


def test_resume_equals_an_undisturbed_search(tmp_path):
    data = noise(tmp_path, {"train": 160, "valid": 16, "test": 16})
    whole = search(data, tmp_path / "whole", TWO, epochs=4, batch_size=8)

    class Killed(Exception):
        pass

    loss, calls = data.task.loss, 0

    def fails(output, batch):
        nonlocal calls
        calls += 1
        if calls > 20:  # in the third epoch
            raise Killed
        return loss(output, batch)

    data.task.loss = fails
    with pytest.raises(Killed):
        search(data, tmp_path / "part", TWO, epochs=4, batch_size=8)
    data.task.loss = loss
    resumed = search(data, tmp_path / "part", TWO, epochs=4, batch_size=8)
    assert resumed == whole
    states = [torch.load(tmp_path / name / "state.pt")["state"]["supernet"] for name in ("whole", "part")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_steps_train_their_own_parameters_on_their_own_data(tmp_path):
    """Four parts of five and 4 B samples for weights; the last part and B samples for the architecture."""
    data = noise(tmp_path, {"train": 163, "valid": 16, "test": 16})
    supernet = search_space("densenas", data.signature, TWO).supernet()
    parts = DenseNasSteps(supernet, problem(data, tmp_path / "c", batch_size=8))
    train, *split = (
        {row.tobytes() for row in split.load("x")}
        for split in (data.dataset.split("train"), parts.weight_loader.split, parts.architecture_loader.split)
    )
    assert list(map(len, split)) == [130, 33]
    assert split[0] | split[1] == train
    weights = [value.clone() for value in supernet.weight_parameters()]
    betas = [value.clone() for value in parts.parameters.values()]
    supernet.train()
    batch = next(parts.architecture_loader.in_order())
    parts.architecture_step(batch)
    assert len(batch["y"]) == 8
    assert all(torch.equal(old, new) for old, new in zip(weights, supernet.weight_parameters(), strict=True))
    changed = [
        name for old, (name, new) in zip(betas, parts.parameters.items(), strict=True) if not torch.allclose(old, new)
    ]
    assert changed == ["connections", "layers"]  # a connection has one operation, so nothing to choose
    betas = [value.clone() for value in parts.parameters.values()]
    batch = next(parts.weight_loader.in_order())
    parts.weight_step(batch, 0.05, uniform=True)
    assert len(batch["y"]) == 32
    assert all(torch.equal(old, new) for old, new in zip(betas, parts.parameters.values(), strict=True))
    assert sum(bool((old != new).any()) for old, new in zip(weights, supernet.weight_parameters(), strict=True)) > 20
    assert all(value.requires_grad for value in parts.parameters.values())


def test_architecture_steps_start_after_the_warm_up(tmp_path):
    data = noise(tmp_path, {"train": 160, "valid": 16, "test": 16})
    history = search(data, tmp_path / "c", TWO, epochs=3, warmup_epochs=2, batch_size=8).history
    assert history[0]["expected_cost"] == history[1]["expected_cost"] != history[2]["expected_cost"]
    assert [("architecture_loss" in row) for row in history] == [False, False, True]


def test_penalty_gradient(tmp_path):
    """cost_weight * log(F) / log(cost_base): its gradient is that of F, scaled."""
    data = noise(tmp_path, {"train": 160, "valid": 16, "test": 16})
    supernet = search_space("densenas", data.signature, TWO).supernet()
    parts = DenseNasSteps(supernet, problem(data, tmp_path / "c", batch_size=8))
    data.task.loss = lambda output, batch: 0 * output.sum()
    parts.architecture_step(next(parts.architecture_loader.in_order()))
    layers = supernet.architecture["layers"]
    gradient = layers.grad
    cost = supernet.expected_cost()
    (expected,) = torch.autograd.grad(cost, layers)
    # After the step the parameters differ by the learning rate, 0.02, hence the tolerance.
    torch.testing.assert_close(gradient, 0.2 * expected / cost.detach() / np.log(3500), rtol=0.1, atol=1e-6)
    assert (gradient[:, 0] > 0).all()


def test_mass_is_kept():
    torch.manual_seed(0)
    before = torch.randn(20, 5)
    parameter = torch.nn.Parameter(before + torch.randn(20, 5))
    after = parameter.detach().clone()
    sampled = torch.multinomial(torch.ones(20, 5), 2).sort(-1).values
    renormalise({"layers": parameter}, {"layers": before}, {"layers": sampled})
    old, new = torch.softmax(before, -1), torch.softmax(parameter.detach(), -1)
    torch.testing.assert_close(new.gather(1, sampled).sum(1), old.gather(1, sampled).sum(1))
    others = torch.ones(20, 5, dtype=torch.bool).scatter(1, sampled, False)
    assert torch.equal(parameter.detach()[others], before[others])
    difference = parameter.detach().gather(1, sampled).diff(dim=1)
    torch.testing.assert_close(difference, after.gather(1, sampled).diff(dim=1))


def test_one_dimensional_and_dense_tasks(tmp_path):
    for dimensions, kind in ((1, "point"), (2, "dense")):
        samples = {"train": 40, "valid": 8, "test": 8}
        data = synthetic.write(tmp_path, dimensions, kind, samples=samples)
        found = search(data, tmp_path / kind, TWO, epochs=2, batch_size=4)
        assert found.architecture["channels"][0] == 4
        costs = [row["expected_cost"] for row in found.history]
        assert (costs[0] == costs[1]) == (dimensions == 1)  # 1-D convolutions cost nothing, as published


def test_spaces_without_sampled_operations_are_refused():
    assert "expected cost" in SPEC.refuse(space_spec("wrn"))
    assert SPEC.refuse(space_spec("densenas")) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"warmup_epochs": 6}, "warmup_epochs 6 of 6 epochs leaves no architecture step; lower warmup_epochs or raise"),
        ({"cost_base": 1}, r"cost_base\n.*greater than 1"),
    ],
)
def test_settings_that_make_no_search_are_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        SPEC.settings.model_validate({**SETTINGS, **change})


def test_divergence_stops_with_the_last_good_state(tmp_path):
    data = noise(tmp_path, {"train": 160, "valid": 16, "test": 16})
    loss, calls = data.task.loss, 0

    def breaks(output, batch):
        nonlocal calls
        calls += 1
        return loss(output, batch) * (float("nan") if calls > 10 else 1)

    data.task.loss = breaks
    with pytest.raises(DivergedError, match=r"_loss became .* at step 4 in epoch 2"):
        search(data, tmp_path / "c", TWO, batch_size=8)
    state = torch.load(tmp_path / "c" / "state.pt")["state"]
    assert len(state["history"]) == 1
    assert all(value.isfinite().all() for value in state["supernet"].values())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_differs_slightly(tmp_path, precision):
    data = synthetic.write(tmp_path, samples={"train": 160, "valid": 16, "test": 16})
    exact, rough = (
        search(data, tmp_path / name, TWO, epochs=3, batch_size=8, lr=0.01, clip=5.0, precision=name).history
        for name in ("float32", precision)
    )
    for row, other in zip(exact, rough, strict=True):
        assert row["train_loss"] != other["train_loss"]
        assert other == pytest.approx(row, rel=0.1)


def test_an_overflow_leaves_out_the_architecture_step(tmp_path):
    """The scaled gradient is infinite, the loss is not."""
    data = noise(tmp_path, {"train": 160, "valid": 16, "test": 16})
    supernet = search_space("densenas", data.signature, TWO).supernet()
    parts = DenseNasSteps(supernet, problem(data, tmp_path / "c", batch_size=8, precision="float16"))
    loss, weight = data.task.loss, supernet.architecture["layers"]
    data.task.loss = lambda output, batch: loss(output, batch) + 1e34 * weight.sum()
    before = {name: value.detach().clone() for name, value in parts.parameters.items()}
    supernet.train()
    batch = next(parts.architecture_loader.in_order())
    assert parts.architecture_step(batch).isfinite()
    assert parts.weights.scaler.get_scale() == 2.0**15
    assert all(torch.equal(before[name], value) for name, value in parts.parameters.items())
    data.task.loss = loss
    parts.architecture_step(batch)
    assert not torch.equal(before["layers"], parts.parameters["layers"])
    assert all(value.isfinite().all() for value in parts.parameters.values())


def test_groups_are_not_cut(tmp_path):
    """Where an epoch visits one sample of each group, four of five groups train weights, however large they are."""
    data = synthetic.write_grouped(tmp_path, sizes=[30, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    supernet = search_space("densenas", data.signature, TWO).supernet()
    parts = DenseNasSteps(supernet, problem(data, tmp_path / "c", batch_size=2))
    groups = [set(loader.split.load("group")) for loader in (parts.weight_loader, parts.architecture_loader)]
    assert list(map(len, groups)) == [8, 2]
    assert groups[0] | groups[1] == set(range(10))


@pytest.mark.parametrize("mixture", ["simplex", "softmax"])
def test_weights_of_connections_sum_to_one_under_gaea(tmp_path, mixture):
    """The temperature is the softmax's: on the simplex it would make 1 / 0.9 of them."""
    data = synthetic.write(tmp_path, samples={"train": 64, "valid": 16, "test": 16})
    space = search_space("densenas", data.signature, TWO)
    supernet, steps = space.supernet(), {"epochs": 1, "batch_size": 8, "lr": 0.1, "schedule": {"name": "constant"}}
    rule = SimplexRule(supernet, GaeaSettings.model_validate({**steps, "mixture": mixture, "architecture_lr": 0.1}))
    gradients = {name: torch.randn_like(value) for name, value in supernet.architecture_parameters().items()}
    rule.step(gradients)
    connections = supernet._connections()
    assert max(map(len, connections)) > 1
    for weights in connections:
        assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    if mixture == "simplex":
        assert torch.equal(torch.cat(connections), supernet.architecture["connections"])


def test_a_batch_larger_than_its_part(tmp_path):
    data = noise(tmp_path, {"train": 20, "valid": 16, "test": 16})
    with pytest.raises(UserError, match="a batch of 20 is larger"):
        search(data, tmp_path / "c", TWO, batch_size=5)


def test_a_space_without_stack_layers(tmp_path):
    """Only the path is searched."""
    data = noise(tmp_path, {"train": 80, "valid": 16, "test": 16})
    stages = [{"channels": [5, 6], "layers": 0}]
    found = search(data, tmp_path / "c", {**TWO, "stages": stages}, epochs=2, batch_size=8)
    assert set(found.architecture["layers"]) == {0}
