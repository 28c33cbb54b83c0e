"""What every search space has to fulfil, one's own too: its folder is found by its name, see ``demo.py``."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from demo import config
from torch import Tensor, nn

from nasperf360.errors import UserError
from nasperf360.registry import names
from nasperf360.spaces.shared.search_space import HasDefault, HasSharedLayers, HasSupernet, search_space
from nasperf360.spaces.shared.space_spec import space_spec
from nasperf360.study import configuration
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.hooks import ProjectsWeights, RampedByEpoch
from nasperf360.training.settings import TrainingSettings

# A task of each kind, whose settings of the demo the space takes, and a small input.
KINDS = {
    "satellite": Signature(1, False, (2, 46), 5),
    "ninapro": Signature(2, False, (2, 16, 20), 5),
    "darcy": Signature(2, True, (2, 16, 16), 3),
}
SERVED = [
    (name, task)
    for name in names("spaces")
    for task, signature in KINDS.items()
    if space_spec(name).serves(signature.dimensions, signature.dense)
]


@dataclass
class Given:
    """A space for a kind of task."""

    name: str
    task: str
    space: Any

    @property
    def signature(self) -> Signature:
        return KINDS[self.task]

    def network(self, architecture: Any, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.space.build(architecture)

    def networks(self) -> list[nn.Module]:
        """A network, and what the space has to search with."""
        supernets = [self.space.supernet()] if isinstance(self.space, HasSupernet) else []
        shared = [self.space.shared()] if isinstance(self.space, HasSharedLayers) else []
        return [self.network(self.drawn()), *supernets, *shared]

    def batch(self, count: int = 4) -> Tensor:
        return torch.randn(count, *self.signature.input_shape, generator=torch.Generator().manual_seed(1))

    def output_shape(self, count: int = 4) -> tuple[int, ...]:
        signature = self.signature
        return (count, signature.outputs, *(signature.input_shape[1:] if signature.dense else ()))

    def drawn(self, seed: int = 0) -> Any:
        return self.space.sample(np.random.default_rng(seed))


@pytest.fixture(params=SERVED, ids=lambda pair: "-".join(pair), scope="module")
def given(request) -> Given:
    name, task = request.param
    settings = configuration.space_settings(config(task, f"{name}-random"), task, f"{name}-random")
    return Given(name, task, search_space(name, KINDS[task], settings))


def test_every_space_serves_a_kind_of_task():
    assert {name for name, _ in SERVED} == set(names("spaces"))


def test_architectures_are_json_drawn_by_the_generator_alone(given):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    drawn = [given.drawn(seed) for seed in range(8)]
    assert torch.equal(torch.get_rng_state(), state)
    assert drawn[0] == given.drawn(0)
    assert len({json.dumps(architecture) for architecture in drawn}) > 1
    for architecture in drawn:
        assert architecture["space"] == given.name
        given.space.check(json.loads(json.dumps(architecture)))


def test_another_space_s_architecture_is_refused(given):
    for architecture in ({**given.drawn(), "space": "nowhere"}, {}, None, []):
        with pytest.raises(UserError, match=given.name):
            given.space.check(architecture)
        with pytest.raises(UserError):
            given.space.build(architecture)


def test_hyperparameters_are_settings_of_training(given):
    fixed = given.space.hyperparameters(given.drawn())
    assert fixed.keys() <= TrainingSettings.model_fields.keys()
    assert all(fixed[name] == given.drawn()[name] for name in fixed)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_network_maps_inputs_to_outputs_and_all_its_weights_learn(given, seed):
    architecture = given.drawn(seed)
    model = given.network(architecture)
    again, other = given.network(architecture), given.network(architecture, 1)
    weights = [nn.utils.parameters_to_vector(network.parameters()) for network in (model, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    if isinstance(model, RampedByEpoch):
        model.start_epoch(0, 2)
    output = model.train()(given.batch())
    assert output.shape == given.output_shape()
    labels = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    (output * labels).sum().backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None]
    assert not idle, "weights without a gradient"
    if isinstance(model, ProjectsWeights):
        model.project_weights()
        projected = nn.utils.parameters_to_vector(model.parameters())
        model.project_weights()
        torch.testing.assert_close(nn.utils.parameters_to_vector(model.parameters()), projected)


def test_initial_weights_keep_the_scale_of_what_passes(given):
    for network in given.networks():
        for name, weight in network.named_parameters():
            if weight.dim() > 1 and weight.numel() >= 300:
                # PyTorch's layers draw 0.58, the rules of Glorot and He 1 to 1.41 (by fan-in, or less by fan-out).
                relative = float(weight.detach().std()) * math.sqrt(math.prod(weight.shape[1:]))
                assert 0.5 < relative < 1.6, name


def test_in_evaluation_each_sample_is_on_its_own(given):
    model = given.network(given.drawn()).train()
    with torch.no_grad():
        model(given.batch())
        model.eval()
        whole = model(given.batch())
        state = {name: value.clone() for name, value in model.state_dict().items()}
        single = torch.cat([model(row[None]) for row in given.batch()])
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_default_architecture_is_one_of_the_space(given):
    if not isinstance(given.space, HasDefault):
        pytest.skip("it has none")
    given.space.check(given.space.default())
    assert given.network(given.space.default())(given.batch()).shape == given.output_shape()


def test_a_supernet_learns_all_its_choices_and_derives_by_them(given):
    if not isinstance(given.space, HasSupernet):
        pytest.skip("it has none")
    torch.manual_seed(0)
    supernet = given.space.supernet()
    parameters = supernet.architecture_parameters()
    assert parameters
    assert not {id(value) for value in parameters.values()} & {id(value) for value in supernet.weight_parameters()}
    noise = torch.Generator().manual_seed(0)
    for value in parameters.values():
        value.data.normal_(0, 0.1, generator=noise)
    output = supernet.train()(given.batch())
    assert output.shape == given.output_shape()
    output.square().sum().backward()
    for name, value in parameters.items():
        assert value.grad is not None, name
        # A choice of one has nothing to learn.
        assert bool(value.grad.any()) == any(group.shape[-1] > 1 for group in supernet.groups(name)), name
        assert len(supernet.groups(name)) == len(supernet.choices.get(name, (0,)))
        for group in supernet.groups(name):
            torch.testing.assert_close(supernet.relax(group).sum(-1), torch.ones(group.shape[:-1]))
    supernet.zero_grad()
    with supernet.fixed_architecture():
        supernet(given.batch()).square().sum().backward()
    assert all(value.grad is None for value in parameters.values())
    assert any(value.grad is not None and bool(value.grad.any()) for value in supernet.weight_parameters())
    derived = []
    for seed in range(6):
        for value in parameters.values():
            value.data.normal_(0, 1, generator=torch.Generator().manual_seed(seed))
        derived.append(given.space.derive(supernet))
        given.space.check(derived[-1])
        assert given.space.derive(supernet) == derived[-1]
    assert len({json.dumps(architecture) for architecture in derived}) > 1
    assert given.network(derived[0])(given.batch()).shape == given.output_shape()


def test_shared_layers_run_every_composition(given):
    if not isinstance(given.space, HasSharedLayers):
        pytest.skip("it has none")
    shared = given.space.shared()
    depth, operations = given.space.depth, len(given.space.operations)
    rng, outputs = np.random.default_rng(0), []
    for _ in range(3):
        skips = [[source for source in range(layer) if rng.random() < 0.5] for layer in range(depth)]
        architecture = given.space.compose(rng.integers(operations, size=depth).tolist(), skips)
        given.space.check(architecture)
        shared.path = given.space.path(architecture)
        outputs.append(shared.eval()(given.batch()))
        assert outputs[-1].shape == given.output_shape()
    assert not torch.equal(outputs[0], outputs[1])


STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "mean", "var", "_extra_state")  # of normalisations


def test_what_is_saved_of_a_network_are_weights_and_statistics(given):
    """What follows from the architecture is made with the network: a file of it would grow, and tie it to a version."""
    for network in given.networks():
        weights = dict(network.named_parameters())
        others = network.state_dict().keys() - weights.keys()
        assert not [name for name in others if name.rpartition(".")[2] not in STATISTICS]
