"""The dry estimate: numbers that follow by hand, for one experiment of each kind of search; no data, no training."""

import random
import subprocess
import sys
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest

from nasperf360.errors import UserError
from nasperf360.settings.layers import merge
from nasperf360.settings.yaml_files import read_yaml
from nasperf360.spaces.shared.counts import count_multiply_adds
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.study import configuration, estimate
from nasperf360.tasks.shared.task_spec import Signature, task_spec
from synthetic import write

DIFFERENCE = 1e-12  # float64 sums of whole numbers


def configured(*methods, **more):
    shipped = read_yaml(configuration.ROOT / "config" / "config.yaml")
    return configuration.resolve(merge(shipped, {"scale": "paper", "methods": list(methods)}, more))


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
    work = estimate.work(configured("wrn-default"), "cifar100", "wrn-default", estimate.PUBLISHED["cifar100"])
    assert work.search == 0
    expected = (200 * 50_000 * 3 + 10_000) * wide_resnet_16_4(100)
    assert work.retrain == pytest.approx(expected, rel=DIFFERENCE)


def test_hours_jobs_and_the_total(monkeypatch):
    config = configured("wrn-default", tasks=["cifar100"], seeds=[0, 1, 2], data_run="no-such-run")
    (row,) = estimate.estimate(config, "v100", 0.5)
    seconds = (200 * 50_000 * 3 + 10_000) * wide_resnet_16_4(100) / (15.7e12 / 2 * 0.5)
    assert (row.searches, row.retrainings, row.search_hours) == (3, 3, 0)
    assert row.hours == pytest.approx(3 * seconds / 3600, rel=DIFFERENCE)
    assert estimate.table([row, row]).splitlines()[-1].split()[:3] == ["all", "6", "6"]


def test_asha_on_cifar100_by_hand():
    """28 trials run 12 epochs, some of them 36 more, some of these 152 more; each is validated at its rungs."""
    work = estimate.work(configured("wrn-asha"), "cifar100", "wrn-asha", estimate.PUBLISHED["cifar100"])
    first, second, third = estimate.reaching(28, 4, 3)
    epochs, validations = first * 12 + second * 36 + third * 152, first + second + third
    expected = (epochs * 40_000 * 3 + validations * 10_000) * wide_resnet_16_4(100)
    assert work.search == pytest.approx(expected, rel=DIFFERENCE)


def test_seeds_that_share_searches_count_them_once():
    config = configured("wrn-asha", tasks=["cifar100"], seeds=[0, 1, 2, 3], data_run="no-such-run")
    (alone,) = estimate.estimate(config, "v100")
    (shared,) = estimate.estimate({**config, "searches": 2}, "v100")
    assert (alone.searches, shared.searches, shared.retrainings) == (4, 2, 4)
    assert shared.search_hours == pytest.approx(alone.search_hours / 2, rel=DIFFERENCE)
    assert shared.retrain_hours == alone.retrain_hours > 0


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
    counts = estimate.reaching(trials, factor, rungs)
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
    assert estimate.reaching(6, 2, 3) == pytest.approx(exact, abs=0.15)


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
ENAS = {"episodes": 5, "child_steps": 20, "samples": 2, "validation_statistics": False}
SIZE = estimate.Size((3, 32, 32), 1000, 100, 1100, 200)


class Networks:
    """Networks of round costs."""

    def drawn(self):
        return 7.0

    def supernet(self):
        return 11.0

    def sampled_supernet(self, count):
        return 100.0 * count

    def shared(self, *, training=False):
        return 31.0 if training else 13.0


@pytest.mark.parametrize(
    ("algorithm", "more", "expected"),
    [
        ("default", {}, 0),
        ("random", {}, 3 * (10 * 1000 * 3 + 100) * 7),
        ("gaea", {}, (10 + 6) * 500 * 3 * 11),
        ("darts", {"split": "same"}, (10 + 6) * 1000 * 3 * 11),
        ("gaea", {"max_samples": 200}, (10 + 6) * 100 * 3 * 11),
        ("darts", {"split": "same", "max_samples": 200}, (10 + 6) * 200 * 3 * 11),
        ("darts", {"split": "same", "max_samples": 5000}, (10 + 6) * 1000 * 3 * 11),
        ("densenas", {}, 3 * (10 * 800 * 100 + 6 * 200 * 200)),
        ("enas", ENAS, (5 * 20 * 8 + 4 * 1000) * (31 + 2 * 13) + 5 * 2 * 100 * 13),
        (
            "enas",
            {**ENAS, "validation_statistics": True},
            (5 * 20 * 8 + 4 * 1000) * (31 + 2 * 13) + 5 * 2 * 100 * 13 + (5 + 4) * 100 * 31,
        ),
        ("gaea", {"validate_every": 3}, 16 * 500 * 3 * 11 + 3 * 100 * 11),
        ("densenas", {"validate_every": 1}, 3 * (10 * 800 * 100 + 6 * 200 * 200) + 10 * 100 * 100),
    ],
)
def test_searches_by_hand(algorithm, more, expected):
    assert estimate.SEARCHES[algorithm](Networks(), SimpleNamespace(**{**SEARCH, **more}), SIZE) == expected


@pytest.mark.parametrize("name", ["wrn", "densenas", "darts"])
def test_a_network_on_the_meta_device_counts_as_a_real_one(name):
    settings_of = {"darts": {"evaluation": {"width": 8, "depth": 3}}, "wrn": {"depth": 10, "widen": 1}}
    space = search_space(name, Signature(2, False, (3, 32, 32), 10), settings_of.get(name, {}))
    networks = estimate.Counted(space)
    architecture = networks.sample(0)
    assert networks._built(architecture) == count_multiply_adds(space.build(architecture), (3, 32, 32))


@pytest.mark.slow
def test_sampling_one_operation_costs_less_than_two_and_no_more_than_all():
    space = search_space("densenas", Signature(2, False, (3, 32, 32), 10), {})
    networks = estimate.Counted(space)
    one, two = networks.sampled_supernet(1), networks.sampled_supernet(2)
    assert 0 < one < two
    assert two == networks.supernet()


@pytest.mark.slow
def test_the_searches_that_limit_another_method_count():
    config = configured("densenas-random", tasks=["ninapro"], data_run="no-such-run")
    rows = estimate.estimate(config, "v100")
    assert [(row.method, row.searches, row.retrainings) for row in rows] == [
        ("densenas-random", 3, 3),
        ("densenas-original", 3, 0),
    ]
    assert rows[1].search_hours > 0


def test_what_nothing_is_known_of_is_said(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no published size; run: snakemake .*newtask\.h5"):
        estimate.size_of("newtask", tmp_path)
    monkeypatch.delitem(estimate.SEARCHES, "asha")
    with pytest.raises(UserError, match="nothing is known of algorithm 'asha'"):
        estimate.work(configured("wrn-asha"), "cifar100", "wrn-asha", estimate.PUBLISHED["cifar100"])
    with pytest.raises(UserError, match="unknown device 'abacus', allowed are t4, v100"):
        estimate.throughput("abacus", "wrn")


@pytest.mark.parametrize("given", [-0.5, 0.0, 1.01, 30.0, float("nan")])
def test_a_utilisation_that_is_no_fraction_is_refused_before_anything_is_counted(given, monkeypatch):
    monkeypatch.setattr(estimate, "work", None)
    with pytest.raises(UserError, match=r"utilisation [-\w.]+, allowed is a fraction above 0 and at most 1"):
        estimate.estimate(configured("wrn-default", tasks=["cifar100"], data_run="no-such-run"), "v100", given)


def test_the_whole_peak_is_a_utilisation():
    assert estimate.throughput("v100", "wrn", 1.0) == 15.7e12 / 2


def test_raw_files_that_tasks_share_are_one_job():
    """As ``snakemake -n`` plans them: Spherical is made of CIFAR-100's files."""
    study = {"tasks": ["cifar100", "spherical", "ecg"], "source": "original"}
    assert estimate.data_jobs(study) == 2 + 3
    assert estimate.data_jobs({**study, "source": "published"}) == 3
    assert estimate.data_jobs({**study, "tasks": ["spherical"]}) == 2


def test_sizes_on_disk_win(tmp_path):
    made = write(tmp_path, samples={"train": 20, "valid": 6, "test": 8})
    made.dataset.path.rename(tmp_path / "cifar100.h5")
    made.dataset.path.with_suffix(".json").rename(tmp_path / "cifar100.json")
    assert task_spec("cifar100").merge_valid
    assert estimate.size_of("cifar100", tmp_path) == estimate.Size((3, 16, 16), 20, 6, 26, 8)


@pytest.mark.slow
def test_the_script_prints_a_row_per_method_and_the_sum():
    script = configuration.ROOT / "workflow" / "scripts" / "estimate.py"
    command = [sys.executable, str(script), "--config", "scale=paper", "tasks=[satellite]", "seeds=[0]", "run=none"]
    done = subprocess.run([*command, "methods=[wrn-default]"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["wrn-default", "1", "1"] in rows
    assert ["all", "1", "1"] in rows
    done = subprocess.run([*command, "methods=[wrn-nothing]"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: config: methods: unknown method 'wrn-nothing'")
