"""Supernets and the steps of their searches, with the same weights, against the reference code's."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference import (
    ChannelsLast,
    Fixture,
    assert_agrees,
    cotangent,
    difference,
    fill,
    load,
    norms,
    passes,
    registered,
    tensor,
)
from torch import Tensor, nn

from formula import uniform, value
from nasperf360.algorithms.densenas.search import DenseNasSteps
from nasperf360.algorithms.gaea.search import exponentiated_gradient
from nasperf360.spaces.autodl.search_layer import SearchCell
from nasperf360.spaces.darts.encoding import NODES
from nasperf360.spaces.darts.supernet import SearchNetwork
from nasperf360.spaces.densenas.networks import BasicBlock, DenseNasSupernet
from nasperf360.spaces.densenas.routing_graph import RoutingGraph
from nasperf360.spaces.densenas.spec import DenseNasSettings
from nasperf360.spaces.shared.cells import OPERATIONS
from nasperf360.spaces.shared.edge_bundle import EdgeBundle
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.optimizers import make_optimizer
from nasperf360.training.settings import OptimizerSettings
from nasperf360.training.step import WeightSteps

# -- GAEA ----------------------------------------------------------------------------------------------------------

GAEA_NAMES = {
    "operations_normal": "alphas_normal",
    "operations_reduce": "alphas_reduce",
    "edges_normal": "betas_normal",
    "edges_reduce": "betas_reduce",
}


def gaea(fixture: Fixture, kind: str, implementation: str) -> SearchNetwork:
    """The supernet with the fixture's architecture parameters; its weights are still its own."""
    network = SearchNetwork(
        fixture.meta["x_shape"][1],
        fixture.meta["classes"],
        width=fixture.meta["C"],
        depth=fixture.meta["layers"],
        partial=4,
        dimensions=1 if kind == "1d" else 2,
        dense=kind == "dense",
        implementation=implementation,
        stem_stride=1,
    )
    with torch.no_grad():
        for name, parameter in network.architecture.items():
            number = 2000 + fixture.meta["arch_names"].index(GAEA_NAMES[name])
            values = torch.from_numpy((1 + 0.5 * uniform(tuple(parameter.shape), number)).astype(np.float32))
            parameter.copy_(values / values.sum(-1, keepdim=True))
    return network


@torch.no_grad()
def copy_plain(plain: SearchNetwork, grouped: SearchNetwork) -> None:
    """Give the grouped supernet the weights of the plain one."""
    grouped.stem.load_state_dict(plain.stem.state_dict())
    grouped.head.load_state_dict(plain.head.state_dict())
    for source, target in zip(plain.cells, grouped.cells, strict=True):
        for name in ("preprocess0", "preprocess1"):
            getattr(target, name).load_state_dict(getattr(source, name).state_dict())
        edges = iter(source.edges)
        for node in range(NODES):
            for state in range(node + 2):
                for number, operation in enumerate(next(edges).operations):
                    set_edge(target.bundles[state], node - max(0, state - 1), number, list(operation.parameters()))


def set_edge(bundle: EdgeBundle, position: int, operation: int, weights: list[Tensor]) -> None:
    """Give one operation of the edge at ``position`` of a bundle its weights."""
    places: dict[int, tuple[Tensor, ...]] = {
        4 + i: each
        for i, each in enumerate(
            zip(bundle.depthwise1, bundle.pointwise1, bundle.depthwise2, bundle.pointwise2, strict=True)
        )
    }
    dilated = zip(bundle.depthwise_dilated, bundle.pointwise_dilated, strict=True)
    places |= {6 + i: each for i, each in enumerate(dilated)}
    if bundle.stride == 2:
        places[3] = (bundle.skip_first, bundle.skip_second)
    for place, weight in zip(places.get(operation, ()), weights, strict=True):
        own = place.detach().chunk(bundle.edges)[position]
        own.copy_(weight.reshape(own.shape))


@pytest.mark.parametrize("kind", ["2d", "1d", "dense"])
def test_gaea(kind):
    """Outputs, all gradients, and one step on the simplex, of both implementations."""
    fixture = load(f"gaea_supernet_{kind}")
    plain, grouped = (gaea(fixture, kind, name) for name in ("plain", "grouped"))
    leaves = registered(plain)
    fill(leaves, fixture)
    copy_plain(plain, grouped)
    for network in (plain, grouped):
        whole: nn.Module = ChannelsLast(network, inputs=False) if kind == "dense" else network
        results = passes(whole, leaves if network is plain else [], fixture.x)
        results = {name: each for name, each in results.items() if each.size}
        if network is grouped:  # its running statistics are its own: not filled
            del results["eval"]
        for name, parameter in network.architecture.items():
            results[f"grad_{GAEA_NAMES[name]}"] = parameter.grad.numpy()
            stepped = exponentiated_gradient(parameter.detach(), parameter.grad, 0.1)
            results[f"after_{GAEA_NAMES[name]}"] = stepped.numpy()
        assert_agrees(results, fixture)


# -- DenseNAS ------------------------------------------------------------------------------------------------------


class DenseNas:
    """Our supernet with a fixture's weights, and what the reference calls its parts."""

    def __init__(self, kind: str):
        self.fixture, dense = load(f"densenas_supernet_{kind}"), kind == "dense"
        meta = self.fixture.meta
        self.outputs = 1 if dense else self.fixture["eval_all"].shape[1]
        stages = [
            {"channels": [12, 14], "layers": [1, 0], "stride": 1},
            {"channels": [18, 20, 24], "layers": [2, 1, 2], "stride": 2},
        ]
        settings = DenseNasSettings.model_validate({"stem": 8, "stages": stages, "last": 24, "reach": 10})
        self.graph = RoutingGraph.of(settings, dense)
        self.network = DenseNasSupernet(
            1 if kind == "1d" else 2, tuple(meta["input_shape"]), self.outputs, dense, self.graph,
            stem_stride=1 if dense else 2, temperature=0.9, count_cost=kind != "1d",
        ).double()  # fmt: skip
        self.inner = [edge for edge in self.graph.edges if edge[1] != self.graph.tail]
        self.modules: dict[str, nn.Module] = {}
        self.edges: dict[tuple[int, int], tuple[int, int]] = {}  # of a block and its n-th head
        self._name_parts()
        ordered = dict.fromkeys(name.rsplit(".", 1)[0] for name, _, _ in meta["weights"])
        self.leaves = [self.modules[name] for name in ordered]
        fill(self.leaves, self.fixture)
        self._set_architecture()

    def _name_parts(self) -> None:
        network, tail = self.network, self.graph.tail
        self.modules = {
            "input_block.0": network.stem[0],
            "input_block.1": network.stem[1],
            "classifier": network.head.linear,
        }
        for target in range(1, tail + 1):
            sources = [source for source in reversed(range(target)) if (source, target) in self.graph.edges]
            for number, source in enumerate(sources):
                head: Any = network.heads[f"{source}-{target}"]
                if target == tail:
                    name = f"conv1_1_block.conv1_1_branches.{number}.conv1_1"
                    self.modules |= {f"{name}.0": head[0], f"{name}.1": head[1]}
                else:
                    self._name_block(f"blocks.{target - 1}.head_layer.head_branches.{number}._ops.0", head)
                    self.edges[target - 1, number] = (source, target)
            for number, block in enumerate(network.stacks[target]):
                self._name_block(f"blocks.{target - 1}.stack_layers.stack_layers.{number}._ops.0", block)

    def _name_block(self, name: str, block: BasicBlock) -> None:
        names = {"conv1": block.conv1, "bn1": block.norm1, "conv2": block.conv2, "bn2": block.norm2}
        if block.shortcut is not None:
            names |= {"downsample.0": block.shortcut[0], "downsample.1": block.shortcut[1]}
        self.modules |= {f"{name}.{part}": module for part, module in names.items()}

    @torch.no_grad()
    def _set_architecture(self) -> None:
        meta, architecture = self.fixture.meta, self.network.architecture
        given = {name: tensor(shape, 2000 + number, 0.8) for number, (name, shape) in enumerate(meta["arch"])}
        inner = range(self.graph.tail - 1)
        architecture["connections"].copy_(
            torch.cat([given[f"beta_weights.{block}"] for block in range(self.graph.tail)])
        )
        heads = {edge: given[f"alpha_head_weights.{block}"][number] for (block, number), edge in self.edges.items()}
        architecture["heads"].copy_(torch.stack([heads[edge] for edge in self.inner]))
        stacks = [given[f"alpha_stack_weights.{block}"].reshape(-1, 2) for block in inner]
        architecture["layers"].copy_(torch.cat(stacks))

    def in_reference_order(self, values: dict[str, Tensor]) -> np.ndarray:
        """Architecture parameters, or their gradients, in one row."""
        connections = values["connections"].split(list(self.network.choices["connections"]))
        found = []
        for name in self.fixture.meta["arch_order"]:
            kind, number = name.split(".")
            block = int(number)
            if kind == "beta_weights":
                found.append(connections[block])
            elif kind == "alpha_head_weights":
                edges = [edge for (owner, _), edge in self.edges.items() if owner == block]
                found += [values["heads"][self.inner.index(edge)] for edge in edges]
            else:
                found.append(values["layers"][self.graph.layer_rows[block + 1]].flatten())
        return torch.cat(found).detach().numpy()

    def weight_norms(self) -> np.ndarray:
        """Of all weights, in the reference's order."""
        owners = (name.rsplit(".", 1) for name in self.fixture.meta["weight_order"])
        return np.array([getattr(self.modules[owner], part).double().norm().item() for owner, part in owners])


@pytest.mark.parametrize("kind", ["point", "dense", "1d"])
def test_densenas(kind, monkeypatch):
    """Outputs, cost and architecture gradients of all operations; five steps of architecture and weights.

    A stack layer runs its block in some steps only: in the others its weights move by momentum and decay. Ours computes
    in double precision: in single, a value near the kink of a ReLU tears the two apart after some steps.
    """
    parts = DenseNas(kind)
    fixture, network, dense = parts.fixture, parts.network, kind == "dense"
    target = tensor((3, 9, 11), 1002, 1.7).double() if dense else torch.arange(6) * 5 % parts.outputs
    batch = {"x": fixture.x.double()}

    def criterion(output: Tensor, _: Any) -> Tensor:
        output = output.double()
        return F.mse_loss(output[:, 0], target) if dense else F.cross_entropy(output, target)

    network.eval()
    with torch.no_grad():
        output = network(batch["x"])
        found = {"eval_all": (output[:, 0] if dense else output).numpy()}
        found["cost"] = network.expected_cost().numpy().reshape(1)
    assert_agrees(found, fixture)

    network.train()
    weights = make_optimizer(network.weight_parameters(), sgd(lr=0.2, momentum=0.9, weight_decay=4e-5))
    search = object.__new__(DenseNasSteps)  # without its data
    search.supernet, search.parameters = network, network.architecture_parameters()
    search.settings = SimpleNamespace(cost_weight=0.2, cost_base=3500.0)
    task: Any = SimpleNamespace(inputs=lambda batch: batch["x"], loss=criterion)
    search.weights = WeightSteps(network, task, weights, torch.device("cpu"))
    adam = OptimizerSettings(optimizer="adam", lr=3e-4, betas=[0.5, 0.999], weight_decay=1e-3)
    search.architecture = make_optimizer(search.parameters.values(), adam)
    losses, moved, weight_norms = [], [], []
    for step, chosen in enumerate(fixture["selected"].astype(np.int64)):
        loss = search.architecture_step(batch)
        if step == 0:
            assert loss.item() == pytest.approx(fixture["arch_loss0"], rel=1e-5)
            gradients = {name: parameter.grad for name, parameter in search.parameters.items()}
            names = [f"grad:{name}" for name in fixture.meta["arch_order"]]
            wanted = np.concatenate([fixture[name].ravel() for name in names if name in fixture.arrays])
            assert difference(parts.in_reference_order(gradients), wanted) < 1e-5
        moved.append(parts.in_reference_order(search.parameters))
        drawn = {"layers": torch.from_numpy(chosen)[:, None], "heads": torch.zeros(len(parts.inner), 1).long()}
        monkeypatch.setattr(network, "sample_operations", lambda *_, drawn=drawn, **__: network.sampled.update(drawn))
        losses.append(search.weight_step(batch, 0.2, uniform=False).item())
        monkeypatch.undo()
        weight_norms.append(parts.weight_norms())
    assert 0 < fixture["selected"].mean() < 1
    stepped = {"losses": np.array(losses), "arch_after": np.array(moved)}
    assert_agrees(stepped | {"stats_norms": norms(parts.leaves)["stats_norms"]}, fixture)
    assert np.array(weight_norms) == pytest.approx(fixture["weight_norms"], rel=1e-5)


def sgd(**settings: float) -> OptimizerSettings:
    return OptimizerSettings(optimizer="sgd", **settings)


# -- Auto-DeepLab --------------------------------------------------------------------------------------------------

HEADS = ("aspp_4", "aspp_8", "aspp_16", "aspp_32")
PATHS = ("preprocess_down", "preprocess_same", "preprocess_up")
PARTS = (("1", "2", "5", "6"), ("1", "2"))  # of a separable and of a dilated convolution


class Weights:
    """A fixture's weights by the reference's names."""

    def __init__(self, fixture: Fixture):
        scale = fixture.meta["weight_scale"]
        self.values = {
            name: torch.from_numpy(value(tuple(shape), number, kind, scale=scale))
            for number, (name, kind, shape) in enumerate(fixture.meta["weights"])
        }

    def into(self, module: nn.Module, name: str) -> None:
        """All of a layer; a parameter that the reference has and ours has not, or the reverse, is an error."""
        own = {key: each for key, each in module.state_dict().items() if key != "num_batches_tracked"}
        given = {key.rsplit(".", 1)[1] for key in self.values if key.rsplit(".", 1)[0] == name}
        assert own.keys() == given
        for key, each in own.items():
            each.copy_(self.values[f"{name}.{key}"])

    def into_cell(self, cell: SearchCell, name: str) -> None:
        """All of a search cell but its running statistics, of which the reference has one set for all paths."""
        given = [f"{name}.{path}.op" for path in PATHS if f"{name}.{path}.op.1.weight" in self.values]
        for project, source in zip(cell.project1, given, strict=True):
            self.into(project, f"{source}.1")
        if cell.project0 is not None:
            self.into(cell.project0, f"{name}.pre_preprocess.op.1")
        edge = 0
        for node in range(5):
            for state in range(node + 2):
                bundle = cell.bundle0 if state == 0 else cell.bundles[state - 1]
                for operation in (4, 5, 6, 7) if bundle is not None else ():
                    prefix = f"{name}._ops.{edge}._ops.{operation}.op"
                    weights = [self.values[f"{prefix}.{part}.weight"] for part in PARTS[operation // 6]]
                    set_edge(bundle, node - max(0, state - 1), operation, weights)
                edge += 1


@torch.no_grad()
def fill_auto_deeplab(network: Any, fixture: Fixture) -> None:
    weights = Weights(fixture)
    for number, layer in enumerate(network.stem):
        for part in (0, 1):
            weights.into(layer[part], f"stem{number}.{part}")
    for head, name in zip(network.heads, HEADS, strict=True):
        branches = (head.branches[0], head.branches[1], head.branches[2].branch)
        for branch, kind in zip(branches, ("conv11", "conv33", "conv_p"), strict=True):
            for part in (0, 1):
                weights.into(branch[part], f"{name}.0.{kind}.{part}")
        weights.into(head.join[0], f"{name}.0.concate_conv")
        weights.into(head.join[1], f"{name}.0.concate_bn")
        weights.into(head.classify, f"{name}.0.final_conv")
    for number, cell in enumerate(cell for layer in network.layers for cell in layer):
        weights.into_cell(cell, f"cells.{number}")
    network.architecture["operations"].copy_(tensor((20, 8), 2000))
    network.architecture["levels"].copy_(tensor((12, 4, 3), 2001).flatten(1))


def test_auto_deeplab():
    """Outputs, architecture gradients, and what is derived; the numbers are of single precision on both sides."""
    fixture = load("autodl_supernet")
    space = search_space("autodl", Signature(2, True, (2, 64, 128), 1), {"slips": True, "search": {"width": 2}})
    network = space.supernet()
    fill_auto_deeplab(network, fixture)
    network.train()
    y = network(fixture.x)
    (y * cotangent(y)).sum().backward()
    assert difference(y.detach().numpy()[:, :, ::5, ::5], fixture["train"]) < 1e-4
    gradients = {name: parameter.grad.numpy() for name, parameter in network.architecture.items()}
    assert difference(gradients["operations"], fixture["grad_alphas"]) < 1e-2
    assert difference(gradients["levels"].reshape(12, 4, 3), fixture["grad_betas"]) < 1e-2

    derived = space.derive(network)
    assert derived["path"] == fixture["path"].tolist()
    rows = [(OPERATIONS[operation], branch) for branch, operation in fixture["cell"]]
    for node in range(5):
        first = node * (node + 3) // 2
        pairs = rows[2 * node : 2 * node + 2]
        sources = sorted(branch - first for _, branch in pairs)
        assert derived["cell"][2 * node : 2 * node + 2] == [
            [operation, source] for (operation, _), source in zip(pairs, sources, strict=True)
        ]
