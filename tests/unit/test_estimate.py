"""The dry estimate: numbers that follow by hand, for one experiment of each kind of search; no data, no training."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nasperf360.errors import UserError
from nasperf360.estimate import counting, estimate, work
from nasperf360.estimate.cards import CARDS, DEFAULT, Card, card_named
from nasperf360.estimate.checked_cells import read_checked
from nasperf360.estimate.counting import Pass, forward_pass, without_numbers
from nasperf360.estimate.makespan import chains
from nasperf360.estimate.repeated_modules import RepeatedModules
from nasperf360.estimate.sizes import PUBLISHED, Size, size_of
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.study import configuration
from nasperf360.study.runtimes import minutes, read_runtimes
from nasperf360.tasks.shared.task_spec import Signature, task_spec
from synthetic import write

DIFFERENCE = 1e-12  # float64 sums of whole numbers
BOUND_BY_OPERATIONS = Card("an abacus", (9, 0), 2.0, 2.0, 4.0, 1e30, 16)  # a multiply-add per second


def configured(*methods, **more):
    shipped = read_yaml(configuration.ROOT / "config" / "config.yaml")
    return configuration.resolve(merge(shipped, {"scale": "paper", "methods": list(methods)}, more))


def multiply_adds(stage):
    return sum(phase.multiply_adds for phase in stage.phases)


def wide_resnet_16_4(classes):
    """Multiply-adds of WRN-16-4 on 32 x 32 images, layer by layer: widths 16, then 64, 128, 256 at 32, 16 and 8."""
    total = 32**2 * 16 * 3 * 9
    before = 16
    for width, side in ((64, 32), (128, 16), (256, 8)):
        first_block = before * width * 9 + width * width * 9 + before * width
        second_block = 2 * width * width * 9
        total += side**2 * (first_block + second_block)
        before = width
    return total + 256 * classes


def test_the_default_wrn_on_cifar100_by_hand():
    stages = estimate.stages(configured("wrn-default"), "cifar100", "wrn-default")
    assert stages["search"].phases == ()
    expected = (200 * 50_000 * 3 + 10_000) * wide_resnet_16_4(100)
    assert multiply_adds(stages["retrain"]) == pytest.approx(expected, rel=DIFFERENCE)


def test_hours_and_jobs(monkeypatch):
    """On a card that operations alone keep busy, at half its peak."""
    monkeypatch.setitem(CARDS, "abacus", BOUND_BY_OPERATIONS)
    config = configured("wrn-default", tasks=["cifar100"], seeds=[0, 1, 2], data_run="no-such-run")
    search, retrain = estimate.estimate(config, "abacus", 0.5)
    seconds = 2 * (200 * 50_000 * 3 + 10_000) * wide_resnet_16_4(100) + 10_000 * 100 * work.COMPARED
    assert (search.jobs, retrain.jobs, search.hours) == (3, 3, 0)
    assert retrain.hours == pytest.approx(seconds / 3600, rel=1e-9)
    row = estimate.table([search, retrain]).splitlines()[-1].split()
    assert row[:3] == ["all", "3", "3"]
    assert float(row[-1].replace(",", "")) == pytest.approx(3 * retrain.hours, rel=1e-6)


@pytest.mark.parametrize(("task", "looked_at"), [("deepsea", 2_490), ("fsd50k", 4_170)])
def test_a_retraining_that_validates_looks_at_the_validation_split(task, looked_at):
    """At every 50th of its epochs; of the chunks of a clip at one."""
    found = {}
    for every in (0, 50):
        config = configured("wrn-default", tasks=[task], retrain={"wrn": {"all": {"validate_every": every}}})
        looks = estimate.stages(config, task, "wrn-default")["retrain"].phases[1]
        found[every] = looks.samples
        epochs = configuration.retrain_settings(config, task, "wrn-default")["epochs"]
    assert found == {0: 0, 50: epochs // 50 * looked_at}


def test_asha_on_cifar100_by_hand():
    """28 trials run 12 epochs, some of them 36 more, some of these 152 more; each is validated at its rungs."""
    search = estimate.stages(configured("wrn-asha"), "cifar100", "wrn-asha")["search"]
    first, second, third = work.reaching(28, 4, 3)
    epochs, validations = first * 12 + second * 36 + third * 152, first + second + third
    expected = (epochs * 40_000 * 3 + validations * 10_000) * wide_resnet_16_4(100)
    assert multiply_adds(search) == pytest.approx(expected, rel=DIFFERENCE)
    assert {phase.batch for phase in search.phases} == {128}


def test_workers_take_at_least_as_long_as_the_longest_trial():
    """28 trials of up to 200 epochs are worth about four of the longest: 28 workers wait for one of these."""
    config = configured("wrn-asha", tasks=["cifar100"], seeds=[0], data_run="no-such-run")
    found = {}
    for workers in (1, 2, 28):
        config["search"] = merge(config["search"], {"asha": {"all": {"workers": workers}}})
        found[workers] = estimate.estimate(config, "h100")[0]
    assert found[1].hours == found[2].hours == found[28].hours == found[1].hours_of_worker
    assert found[2].hours_of_worker == found[2].hours / 2
    asha = SimpleNamespace(rung_epochs=[12, 48, 200])
    trained, tested = work.longest_trial(Networks(), asha, work.Scope(PUBLISHED["cifar100"], 128, 128))
    assert (trained.samples, tested.samples) == (200 * 40_000, 3 * 10_000)
    assert found[28].hours_of_worker == found[28].longest > found[28].hours / 28
    (chain,) = chains([replace(found[28], stage="search")])
    assert max(chain.shares) == found[28].longest
    assert sum(chain.shares) == pytest.approx(found[28].hours)


def test_seeds_that_share_searches_count_them_once():
    config = configured("wrn-asha", tasks=["cifar100"], seeds=[0, 1, 2, 3], data_run="no-such-run")
    alone = estimate.estimate(config, "h100")
    shared = estimate.estimate({**config, "searches": 2}, "h100")
    assert [cell.jobs for cell in alone] == [4, 4]
    assert [cell.jobs for cell in shared] == [2, 4]
    assert [cell.hours for cell in alone] == [cell.hours for cell in shared]


def reached(order, factor, rungs):
    """How many trials reach each rung, one after the other, of which ``order`` holds the ranks."""
    seen = [[] for _ in range(rungs)]
    for rank in order:
        for rung in seen:
            rung.append(rank)
            if sorted(rung).index(rank) >= max(len(rung) // factor, 1):
                break
    return [len(rung) for rung in seen]


# A count's standard deviation is at most 4 trials, that of the difference of the two means 0.15.
@pytest.mark.parametrize(("trials", "factor", "rungs"), [(16, 4, 3), (28, 4, 3), (36, 4, 3), (40, 4, 4), (40, 2, 4)])
def test_trials_that_reach_a_rung(trials, factor, rungs):
    counts = work.reaching(trials, factor, rungs)
    assert counts[0] == trials
    # In a random order the n-th is among the best k so far with probability k / n.
    assert counts[1] == pytest.approx(sum(max(n // factor, 1) / n for n in range(1, trials + 1)), abs=0.4)
    shuffled = random.Random(0)
    orders = [shuffled.sample(range(trials), trials) for _ in range(3000)]
    simulated = np.mean([reached(order, factor, rungs) for order in orders], axis=0)
    assert counts == pytest.approx(simulated, abs=0.4)


def test_every_order_of_six_trials():
    """The exact mean; at a factor of 2 the second rung has the 1 + 1/2 + 1/3 + 2/4 + 2/5 + 3/6 of the formula."""
    exact = np.mean([reached(order, 2, 3) for order in permutations(range(6))], axis=0)
    assert exact[1] == pytest.approx(97 / 30)
    assert work.reaching(6, 2, 3) == pytest.approx(exact, abs=0.15)


SEARCH = {
    "epochs": 10,
    "warmup_epochs": 4,
    "architecture_after": 4,
    "batch_size": 8,
    "trials": 3,
    "split": "halves",
    "max_samples": None,
    "validate_every": 0,
}
ENAS = {"episodes": 5, "child_steps": 20, "samples": 2, "validation_statistics": False, "reward": "auroc"}
SIZE = Size((3, 32, 32), 1000, 100, 1100, 200)
SCOPE = work.Scope(SIZE, 8, 16)


class Networks:
    """Networks of round costs."""

    def __init__(self):
        def one(multiply_adds):
            return Pass(multiply_adds, 0, 0, 0, 0)

        self.drawn, self.supernet = one(7.0), one(11.0)
        self.sampled_supernets, self.shared = (one(100.0), one(200.0)), (one(13.0), one(31.0))


@pytest.mark.parametrize(
    ("algorithm", "more", "expected"),
    [
        ("default", {}, 0),
        ("random", {}, 3 * (10 * 1000 * 3 + 100) * 7),
        ("gaea", {}, (10 * 3 + 6 * 2.2) * 500 * 11),
        ("darts", {"split": "same"}, (10 * 3 + 6 * 2.2) * 1000 * 11),
        ("gaea", {"max_samples": 200}, (10 * 3 + 6 * 2.2) * 100 * 11),
        ("darts", {"split": "same", "max_samples": 200}, (10 * 3 + 6 * 2.2) * 200 * 11),
        ("darts", {"split": "same", "max_samples": 5000}, (10 * 3 + 6 * 2.2) * 1000 * 11),
        ("densenas", {}, 3 * 10 * 800 * 100 + 2.2 * 6 * 200 * 200),
        ("enas", ENAS, (5 * 20 * 8 + 4 * 1000) * (31 + 2 * 13) + 5 * 2 * 100 * 13),
        (
            "enas",
            {**ENAS, "validation_statistics": True},
            (5 * 20 * 8 + 4 * 1000) * (31 + 2 * 13) + 5 * 2 * 100 * 13 + (5 + 4) * 100 * 31,
        ),
        ("gaea", {"validate_every": 3}, (10 * 3 + 6 * 2.2) * 500 * 11 + 3 * 100 * 11),
        ("densenas", {"validate_every": 1}, 3 * 10 * 800 * 100 + 2.2 * 6 * 200 * 200 + 10 * 100 * 100),
    ],
)
def test_searches_by_hand(algorithm, more, expected):
    phases = work.SEARCHES[algorithm](Networks(), SimpleNamespace(**{**SEARCH, **more}), SCOPE)
    assert sum(phase.multiply_adds for phase in phases) == pytest.approx(expected, rel=DIFFERENCE)


def test_weight_steps_of_densenas_take_four_times_the_batch():
    phases = work.SEARCHES["densenas"](Networks(), SimpleNamespace(**SEARCH), SCOPE)
    assert [(phase.samples, phase.batch) for phase in phases if phase.turn] == [(8000, 32), (1200, 8)]


def test_the_auroc_of_each_rewarded_architecture_costs_the_cpu():
    scope = work.Scope(SIZE, 8, 16, outputs=24)
    phases = work.SEARCHES["enas"](Networks(), SimpleNamespace(**{**SEARCH, **ENAS}), scope)
    assert sum(phase.cpu_seconds for phase in phases) == pytest.approx(5 * 2 * 100 * 24 * work.RANKED)
    ranked = replace(scope, ranks=True).testing(100, Networks().drawn)
    assert ranked.cpu_seconds / scope.testing(100, Networks().drawn).cpu_seconds == work.RANKED / work.COMPARED


def test_a_step_takes_as_long_as_the_slowest_of_what_goes_on_at_once():
    card, one = Card("a card", (9, 0), 100.0, 100.0, 200.0, 50.0, 16), Pass(30.0, 8.0, 5.0, 4.0, 7.0)
    phase = work.Phase(80, 10, one, 3.0, turn=True, copies=3)

    def step(**changes):
        stage = work.Stage((replace(phase, one=replace(one, **changes)),), "float32", 1.0)
        return stage.step(stage.phases[0], card, 0.5)

    assert step() == 2 * 30 * 10 * 3 / 100 / 0.5  # operations
    assert step(written=40.0) == 2 * 40 * 10 * 3 / 50 / 0.5  # bytes
    assert step(launches=1e8) == pytest.approx(1e8 * 3 * work.LAUNCH)
    waiting = work.Stage((phase,), "float32", 1e12)
    assert waiting.step(phase, card, 0.5) == pytest.approx(10 * 1e12 / work.LOADING)
    half = work.Stage((phase,), "bfloat16", 1.0)
    assert half.step(phase, card, 0.5) == 2 * 30 * 10 * 3 / 200 / 0.5
    twice = work.Stage((phase, replace(phase, turn=False, cpu_seconds=5.0)), "float32", 1.0)
    assert twice.seconds(card, 0.5) == 8 * step() * 2 + 5
    assert twice.seconds(card, 0.5, slower=3.0) == 8 * step() * 2 * 3 + 5
    assert twice.turn(card, 0.5) == step()
    assert twice.memory == pytest.approx(work.CONTEXT + (10 * (5 + 1) + 3 * 7) / 2**30)


SPACES = {
    "wrn": {"depth": 10, "widen": 1},
    "densenas": {},
    "darts": {"evaluation": {"width": 8, "depth": 3}, "search": {"width": 8, "depth": 3, "partial": 4}},
    "autodl": {"layers": 3, "search": {"width": 4}, "evaluation": {"width": 4, "stem": 8, "aspp": 8, "low_level": 4}},
    "amber": {"depth": 4, "search_width": 8, "search_hidden": 16, "width": 8, "hidden": 16},
}
SIGNATURES = {
    "autodl": Signature(2, True, (3, 32, 32), 1),
    "amber": Signature(1, False, (4, 200), 6),
}


def of(name):
    return search_space(name, SIGNATURES.get(name, Signature(2, False, (3, 33, 30), 10)), SPACES[name])


def flops(network, shape, *, backwards=None):
    """By torch's own counter, of a batch of two samples with numbers in them."""
    counter = FlopCounterMode(display=False)
    with counter:
        output = network(torch.zeros(2, *shape))
        if backwards:
            torch.autograd.grad(output.sum(), backwards, allow_unused=True)
    return counter.get_total_flops()


def bytes_of(network):
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())


@pytest.mark.parametrize("name", SPACES)
def test_a_network_without_numbers_counts_as_torch_counts_a_real_one(name):
    space = of(name)
    counted = work.Counted(space)
    architecture = counted.sample(0)
    network = space.build(architecture)
    expected = flops(network, space.signature.input_shape) / 2 / 2
    assert counted.built(architecture).multiply_adds == pytest.approx(expected, rel=1e-9)
    assert counted.built(architecture).weights == bytes_of(network)


@pytest.mark.parametrize("name", ["densenas", "darts", "autodl"])
def test_a_supernet_without_numbers_counts_as_torch_counts_a_real_one(name):
    space = of(name)
    supernet = space.supernet()
    expected = flops(supernet, space.signature.input_shape) / 2 / 2
    found = work.Counted(space).supernet
    assert found.multiply_adds == pytest.approx(expected, rel=0.02)  # its weights are products too
    assert found.weights == bytes_of(supernet)


@pytest.mark.parametrize("name", SPACES)
def test_modules_that_are_not_gone_through_again_count_as_if_they_were(name, monkeypatch):
    space = of(name)
    architecture = work.Counted(space).sample(0)

    def passes():
        counting.REPEATED = RepeatedModules()
        counted = work.Counted(space)
        supernets = [counted.supernet] if hasattr(space, "supernet") else []
        return [counted.built(architecture), *supernets]

    monkeypatch.setattr(counting, "REPEATED", None)
    skipping = passes()
    monkeypatch.setattr(
        RepeatedModules, "call", lambda self, run, module, *args, **kwargs: run(module, *args, **kwargs)
    )
    assert passes() == skipping


def test_modules_that_differ_in_anything_are_gone_through():
    """In a value, a shape, the form of what comes in; what holds a function is gone through each time."""
    calls = []

    class Layer(nn.Module):
        def __init__(self, channels, value):
            super().__init__()
            self.weight, self.value = nn.Parameter(torch.empty(channels, 1, device="meta")), value

        def forward(self, x):
            calls.append(self.value)
            return x * self.weight

    repeated = RepeatedModules()
    x = torch.empty(1009, 3, 5, device="meta")
    function = len
    with repeated.skipped():
        for channels, value in ((3, 1), (3, 1), (3, 2), (1, 1), (3, function), (3, function)):
            repeated.begin()
            assert Layer(channels, value)(x).shape == x.shape
        assert calls == [1, 2, 1, function, function]
        repeated.begin()
        layer = Layer(3, 2)
        layer(x[:, :, :1])
        layer(x.requires_grad_())
        assert layer(x).requires_grad
    assert calls[5:] == [2, 2]
    assert nn.Module.__call__ is nn.Module._wrapped_call_impl


def test_a_training_step_is_worth_three_forward_passes_by_torch_s_counter():
    space = of("wrn")
    network = space.build(space.default())
    forward = flops(network, space.signature.input_shape)
    trained = flops(network, space.signature.input_shape, backwards=list(network.parameters()))
    assert trained / forward == pytest.approx(work.TRAINING, rel=0.1)


def saved_bytes(network, shape, samples):
    """What autograd saves of a real pass, weights and statistics aside."""
    saved, own = {}, {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.numel() % samples == 0:
            saved[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(torch.zeros(samples, *shape))
    assert output.requires_grad
    return sum(size for size, _ in saved.values()) / samples


@pytest.mark.parametrize("name", ["wrn", "densenas", "darts"])
def test_activations_that_are_kept_are_those_that_autograd_saves(name):
    space = of(name)
    counted = work.Counted(space)
    architecture = counted.sample(0)
    torch.manual_seed(0)
    network = space.build(architecture)
    found = counted.built(architecture)
    assert found.kept == pytest.approx(saved_bytes(network, space.signature.input_shape, 37), rel=0.02)
    assert found.weights == sum(parameter.numel() * 4 for parameter in network.parameters())


def test_densenas_on_fsd50k_keeps_more_than_the_paper_s_card_holds():
    """About 22.6 GiB of activations at a batch of 512."""
    config = configured("densenas-original", tasks=["fsd50k"], data_run="no-such-run")
    retrain = estimate.stages(config, "fsd50k", "densenas-original")["retrain"]
    assert retrain.memory == pytest.approx(22.6, rel=0.15)
    cells = estimate.estimate(config, "v100")
    said = "\n".join(estimate.warnings(config, cells, CARDS["v100"], 48))
    assert "More than the 16 GiB of a V100: retrain of densenas-original on fsd50k" in said
    assert "cannot drive a V100, which has compute capability 7.0" in said
    assert "More than" not in "\n".join(estimate.warnings(config, cells, CARDS["h100"], 48))


def test_the_published_time_of_darts_within_a_factor_of_two():
    """600 epochs of CIFAR-10 by batches of 96 took 1.5 days on a GTX 1080 Ti."""
    space = search_space("darts", Signature(2, False, (3, 32, 32), 10), {"evaluation": {"width": 36, "depth": 20}})
    phase = work.Phase(600 * 50_000, 96, work.Counted(space).drawn, work.TRAINING)
    card = Card("GTX 1080 Ti", (6, 1), 11.3e12, 11.3e12, 11.3e12, 0.484e12, 11)
    assert 18 < work.Stage((phase,), "float32", 4 * 3 * 32 * 32).seconds(card, work.SHARE) / 3600 < 72


def test_counting_draws_no_numbers_and_leaves_torch_as_it_was():
    before, state = torch.nn.init.kaiming_uniform_, torch.get_rng_state()
    with without_numbers():
        network = torch.nn.Conv2d(3, 5, 3)
        assert torch.nn.init.kaiming_uniform_ is not before
    assert network.weight.device.type == "meta"
    assert torch.nn.init.kaiming_uniform_ is before
    assert torch.equal(torch.get_rng_state(), state)
    assert forward_pass(network, (3, 9, 9), training=False).multiply_adds == 7 * 7 * 5 * 27


def test_sampling_one_operation_costs_less_than_two_and_no_more_than_all():
    counted = work.Counted(of("densenas"))
    one, two = counted.sampled_supernets
    assert 0 < one.multiply_adds < two.multiply_adds == counted.supernet.multiply_adds


def test_a_random_search_is_counted_by_what_its_sampler_draws():
    """Uniform networks of DenseNAS and derived ones are of other depths."""
    found = {}
    for sampler in ("uniform", "derive"):
        definition = {"space": "densenas", "algorithm": "random", "settings": {"search": {"all": {"sampler": sampler}}}}
        config = configured("densenas-drawn", method_definitions={"densenas-drawn": definition})
        found[sampler] = multiply_adds(estimate.stages(config, "ninapro", "densenas-drawn")["search"])
    assert 0 < found["uniform"] != pytest.approx(found["derive"], rel=1e-3)


def test_the_searches_that_limit_another_method_count():
    config = configured("densenas-random", tasks=["ninapro"], data_run="no-such-run")
    cells = estimate.estimate(config, "h100")
    assert [(cell.method, cell.stage, cell.jobs) for cell in cells] == [
        ("densenas-random", "search", 3),
        ("densenas-random", "retrain", 3),
        ("densenas-original", "search", 3),
    ]
    assert cells[2].hours > 0


def test_an_algorithm_of_which_nothing_is_known_is_named_and_the_rest_estimated(monkeypatch):
    monkeypatch.delitem(work.SEARCHES, "asha")
    config = configured("wrn-asha", "wrn-default", tasks=["cifar100"], data_run="no-such-run")
    cells = estimate.estimate(config, "h100")
    assert [cell.hours is None for cell in cells] == [True, False, False, False]
    said = estimate.warnings(config, cells, CARDS["h100"], 48)
    assert said == [
        "Nothing is known of algorithm 'asha': the searches of wrn-asha are not among the hours; add it to SEARCHES in "
        "nasperf360/estimate/work.py."
    ]
    assert estimate.table(cells).splitlines()[1].split()[3] == "unknown"
    assert "search/cifar100/wrn-asha" not in estimate.runtimes(cells, 48)


def test_networks_that_were_counted_before_are_not_counted_again(tmp_path, monkeypatch):
    """By the same code: the numbers are the same, and after a change of code they are counted anew."""
    (tmp_path / ".snakemake").mkdir()
    monkeypatch.chdir(tmp_path)
    config = configured("wrn-default", "wrn-asha", tasks=["satellite"], data_run="no-such-run")
    counted = estimate.counted_before()
    first = estimate.estimate(config, "h100", networks=estimate.Networks(counted))
    assert first == estimate.estimate(config, "h100")
    counted._save()
    monkeypatch.setattr(work, "forward_pass", None)
    monkeypatch.setattr(work, "without_numbers", None)
    again = estimate.Networks(estimate.counted_before())
    assert estimate.estimate(config, "h100", networks=again) == first
    (tmp_path / "another.py").write_text("code")
    monkeypatch.setattr(estimate, "PACKAGE", tmp_path)
    with pytest.raises(TypeError, match="NoneType"):
        estimate.estimate(config, "h100", networks=estimate.Networks(estimate.counted_before()))


def test_what_is_at_fault_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no published size; run: snakemake .*newtask\.h5"):
        size_of("newtask", tmp_path)
    config = configured("wrn-default", tasks=["cifar100"], data_run="no-such-run")
    with pytest.raises(UserError, match="unknown device 'abacus', allowed are v100, t4"):
        estimate.estimate(config, "abacus")


@pytest.mark.parametrize("given", [-0.5, 0.0, 1.01, 30.0, float("nan")])
def test_a_utilisation_that_is_no_fraction_is_refused_before_anything_is_counted(given, monkeypatch):
    monkeypatch.setattr(estimate, "stages", None)
    with pytest.raises(UserError, match=r"utilisation [-\w.]+, allowed is a fraction above 0 and at most 1"):
        estimate.estimate(configured("wrn-default", tasks=["cifar100"], data_run="no-such-run"), "h100", given)


def test_the_default_card_can_be_driven():
    assert CARDS[DEFAULT].driven
    assert not CARDS["v100"].driven


@pytest.mark.parametrize(
    ("device", "key"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A100-SXM4-40GB", "a100-40"),
        ("NVIDIA A100-PCIE-40GB", "a100-40"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"),
    ],
)
def test_a_card_by_the_name_of_its_device(device, key):
    assert card_named(device) is CARDS[key]
    assert card_named("cpu") is None


def checked(folder, **cell):
    path = folder / "check.json"
    known = {"task": "cifar100", "method": "wrn-default", "stage": "retrain"}
    path.write_text(json.dumps({"device": "NVIDIA H100 80GB HBM3", "cells": [{**known, **cell}]}))
    return read_checked(path)


def test_steps_that_were_measured_win(tmp_path):
    """On that card by the time that they took, on another by the ratio of what the cards can do."""
    config = configured("wrn-default", tasks=["cifar100"], seeds=[0], data_run="no-such-run")
    retrain = estimate.stages(config, "cifar100", "wrn-default")["retrain"]
    guess = estimate.estimate(config, "h100")[1]
    step = retrain.turn(CARDS["h100"], work.SHARE)
    found = checked(tmp_path, seconds_per_step=3 * step, peak_gib=12.5, roofline_share=0.1)
    cell = estimate.estimate(config, "h100", None, found)[1]
    assert cell.hours == pytest.approx(3 * guess.hours, rel=1e-3)
    assert (cell.memory, cell.measured, guess.measured) == (12.5, True, False)
    other = estimate.estimate(config, "a100", None, found)[1]
    assert other.hours == pytest.approx(3 * estimate.estimate(config, "a100")[1].hours, rel=1e-3)
    said = estimate.estimate(config, "h100", 0.9, found)[1]
    assert said.hours == estimate.estimate(config, "h100", 0.9)[1].hours


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", '{"cells": []}', '{"device": 5, "cells": []}', '{"device": "x", "cells": [{"task": "ecg"}]}'],
)
def test_a_table_of_another_form_is_refused(tmp_path, content):
    (tmp_path / "check.json").write_text(content)
    with pytest.raises(UserError, match=r"check\.json: not the table of benchmarks/gpu_check\.py .*make it anew"):
        read_checked(tmp_path / "check.json")


@pytest.mark.parametrize("value", [0, -1.0, True, "3", float("nan")])
def test_a_measured_number_is_positive(tmp_path, value):
    with pytest.raises(UserError, match="is no positive number"):
        checked(tmp_path, seconds_per_step=value)


def test_cells_longer_than_the_queue_allows_are_named_and_ask_for_all_of_it(tmp_path):
    cell = estimate.Cell("ecg", "wrn-asha", "search", 3, 96.5, 2.0)
    short = replace(cell, stage="retrain", hours=0.01)
    config = configured("wrn-asha", tasks=["ecg"])
    (line,) = estimate.warnings(config, [cell, short], CARDS["h100"], 48)
    assert "Longer than the queue's 48 h: search of wrn-asha on ecg, 96 h" in line
    assert "in 3 attempts, so retries has to be at least 2" in line
    found = estimate.runtimes([cell, short], 48)
    assert found == {"search/ecg/wrn-asha": 2880, "retrain/ecg/wrn-asha": 60}
    assert estimate.runtimes([replace(cell, hours=10.0)], 48) == {"search/ecg/wrn-asha": 1200}
    shared = replace(cell, workers=4)
    assert estimate.warnings(config, [shared], CARDS["h100"], 48) == []
    assert estimate.runtimes([shared], 100) == {"search/ecg/wrn-asha": 2895}
    path = tmp_path / "runtimes.json"
    path.write_text(json.dumps(found))
    assert minutes(read_runtimes(str(path)), "retrain", "ecg", "wrn-asha") == 60
    assert minutes(read_runtimes(None), "retrain", "ecg", "wrn-asha") == 2880


@pytest.mark.parametrize("content", ["[]", '{"a": 0}', '{"a": "1h"}', '{"a": true}'])
def test_a_file_that_holds_no_runtimes_is_refused(tmp_path, content):
    (tmp_path / "runtimes.json").write_text(content)
    with pytest.raises(UserError, match=r"runtimes: .*runtimes\.json: not minutes by .*; make it anew: python"):
        read_runtimes(str(tmp_path / "runtimes.json"))


@pytest.mark.parametrize("key", ["ecg/wrn-asha", "train/ecg/wrn-asha", "search/ecg/wrn", "search/ecg/wrn-asha/0"])
def test_runtimes_of_what_is_no_job_are_refused(tmp_path, key):
    (tmp_path / "runtimes.json").write_text(json.dumps({"search/ecg/wrn-asha": 60, key: 60}))
    with pytest.raises(UserError, match=rf"runtimes: .*runtimes\.json: key '{key}' is no <stage>/<task>/<method>, as"):
        read_runtimes(str(tmp_path / "runtimes.json"))


def test_raw_files_that_tasks_share_are_one_job():
    """As ``snakemake -n`` plans them: Spherical is made of CIFAR-100's files."""
    study = {"tasks": ["cifar100", "spherical", "ecg"], "source": "original"}
    assert estimate.data_jobs(study) == 2 + 3
    assert estimate.data_jobs({**study, "source": "published"}) == 3
    assert estimate.data_jobs({**study, "source": "benchmark"}) == 3 + 3  # which has files of Spherical's own
    assert estimate.data_jobs({**study, "tasks": ["spherical"]}) == 2


@pytest.mark.parametrize(("task", "expected"), [("cifar100", 3 * 32 * 32), ("fsd50k", 2 * 96 * 101), ("ecg", 4 * 1000)])
def test_a_sample_is_loaded_as_it_is_stored(task, expected):
    found = estimate.stages(configured("wrn-default", tasks=[task]), task, "wrn-default")
    assert found["retrain"].sample_bytes == expected


def test_sizes_on_disk_win(tmp_path):
    made = write(tmp_path, samples={"train": 20, "valid": 6, "test": 8})
    made.dataset.path.rename(tmp_path / "cifar100.h5")
    made.dataset.path.with_suffix(".json").rename(tmp_path / "cifar100.json")
    assert task_spec("cifar100").merge_valid
    assert size_of("cifar100", tmp_path) == Size((3, 16, 16), 20, 6, 26, 8)
    assert size_of("ecg", tmp_path) is PUBLISHED["ecg"]


@pytest.mark.slow
def test_the_script_prints_a_row_per_method_and_the_sum(tmp_path):
    script = configuration.ROOT / "workflow" / "scripts" / "estimate.py"
    command = [sys.executable, str(script), "--config", "scale=paper", "tasks=[satellite]", "seeds=[0]", "run=none"]
    written = [
        "--runtimes",
        str(tmp_path / "runtimes.json"),
        "--gpus",
        "1",
        "2",
        "--figure",
        str(tmp_path / "makespan.csv"),
    ]
    done = subprocess.run([*command, "methods=[wrn-default]", *written], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["wrn-default", "1", "1"] in rows
    assert ["all", "1", "1"] in rows
    assert (tmp_path / "makespan.csv").read_text().splitlines()[0] == "gpus,days,gpu_hours,busy_hours,simulated"
    assert read_runtimes(str(tmp_path / "runtimes.json")).keys() == {
        "search/satellite/wrn-default",
        "retrain/satellite/wrn-default",
    }
    done = subprocess.run([*command, "methods=[wrn-nothing]"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: config: methods: unknown method 'wrn-nothing'")
