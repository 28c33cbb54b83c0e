"""Constants of the paper, the benchmark's data and the reference code, written out a second time.

Here a number stands beside where it comes from, so that a slip in one of the two places shows. What the scale ``paper``
sets is in ``test_paper_settings.py``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from methods.true_shapes import SHAPES
from nasperf360.algorithms.densenas import search as densenas
from nasperf360.algorithms.enas import controller
from nasperf360.algorithms.enas import search as enas
from nasperf360.algorithms.gaea import search as gaea
from nasperf360.algorithms.random import search as random_search
from nasperf360.estimate.cards import CARDS
from nasperf360.estimate.sizes import PUBLISHED, Size
from nasperf360.figures import profiles
from nasperf360.registry import room
from nasperf360.seeds import generator
from nasperf360.spaces.wrn import encoding as wrn
from nasperf360.tasks.shared.task_spec import task_spec

# Of tasks/<name>/<file>.py: reference code and data papers.
IN_ROOMS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("cifar100", "training"): {
        "MEAN": (0.5071, 0.4867, 0.4408),
        "STD": (0.2675, 0.2565, 0.2761),
        "PADDING": 4,
        "CUTOUT": 16,
    },
    ("cosmic", "metric"): {"THRESHOLD": 0.5},
    ("cosmic", "spec"): {"FILTER": "f435w"},
    ("psicov", "spec"): {"PAD": 5},
    ("psicov", "contacts"): {"CONTACT": 8.0, "LONG_RANGE": 24},
    ("psicov", "data"): {"FAR": 100.0, "CLIP": 16.0},
    ("psicov", "metric"): {"FLOOR": 0.01},
    ("psicov", "proteins"): {"CHANNELS": 57, "LARGEST_FEATURE": 100.0, "LARGEST_DISTANCE": 500.0},
    ("ecg", "spec"): {"LABELS": ("N", "A", "O", "~")},
    ("ecg", "data"): {"DIVISORS": (1, 6, 2, 20)},
    ("fsd50k", "spec"): {"LABELS": 200, "RAW_RATE": 44_100},
    ("fsd50k", "data"): {"RATE": 22_050, "CHUNK": 22_050, "CHUNK_HOP": 11_025, "FULL_SCALE": 32_768},
    ("fsd50k", "log_mel"): {
        "N_FFT": 1920,
        "WINDOW": 661,
        "TOP_DB": 80.0,
        "MINIMUM_POWER": 1e-10,
        "OFFSET_DB": 75.0,
    },
    ("fsd50k", "decibels"): {"STEP": 80 / (2**15 - 1)},
    ("fsd50k", "training"): {"MASK_SHARE": {2: 0.15, 3: 0.20}, "NOISY": 0.75, "LOUDEST": 0.5},
    ("ninapro", "spec"): {"CHANNELS": 16, "MOVEMENTS": 17},
    ("ninapro", "data"): {"WINDOW": 52},
    ("satellite", "spec"): {"DATES": 46, "CLASSES": 24},
    ("spherical", "projection"): {"HALF_SIDE": 1.5, "RAY_ORIGIN": 2.001},
    ("deepsea", "spec"): {"LENGTH": 1000, "FEATURES": 919, "SELECTED": 36},
}
# Of each task: dimensions, dense, outputs, metric, whether higher is better, several labels, whether the final number
# trains on train + valid too, one sample per group and epoch.
TASKS = {
    "cifar100": (2, False, 100, "0-1 error %", False, False, True, False),
    "spherical": (2, False, 100, "0-1 error %", False, False, True, False),
    "ninapro": (2, False, 18, "0-1 error %", False, False, True, False),
    "fsd50k": (2, False, 200, "mAP", True, True, False, True),
    "darcy": (2, True, 1, "relative l2", False, False, True, False),
    "psicov": (2, True, 1, "MAE8", False, False, True, False),
    "cosmic": (2, True, 1, "FNR %", False, False, True, False),
    "ecg": (1, False, 4, "F1", True, False, True, False),
    "satellite": (1, False, 24, "0-1 error %", False, False, True, False),
    "deepsea": (1, False, 36, "AUROC", True, True, False, False),
}
PREPROCESS: Mapping[str, Mapping[str, Any]] = {
    "spherical": {"bandwidth": 30, "images_per_rotation": 500},
    "ninapro": {"windows": 3956},
    "fsd50k": {"n_mels": 96, "hop": 220, "mel_scale": "htk"},
    "psicov": {"crop": 128, "test_size": 512, "valid": 100},
    "cosmic": {"crop": 128},
    "ecg": {"window": 1000, "stride": 500},
    "deepsea": {"train_fraction": 0.05, "keep_negatives": False, "length": 1000},
}


@pytest.mark.parametrize(("task", "file"), IN_ROOMS)
def test_constants_of_a_task(task, file):
    module = room("tasks", task, file)
    for name, value in IN_ROOMS[task, file].items():
        assert getattr(module, name) == value, name


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_is(task):
    spec = task_spec(task)
    found = (spec.dimensions, spec.dense, spec.outputs, spec.metric.name, spec.metric.higher_is_better)
    assert (*found, spec.multi_label, spec.merge_valid, spec.one_per_group) == TASKS[task]
    defaults = spec.preprocess().params()
    assert {name: defaults[name] for name in PREPROCESS.get(task, {})} == PREPROCESS.get(task, {})


def test_darcy_s_normaliser_adds_1e_5_to_the_deviation_of_n_less_one():
    training = room("tasks", "darcy", "training")
    samples = np.array([1.0, 2.0, 6.0], np.float32).reshape(3, 1, 1, 1)
    normaliser = training.Normaliser.of(samples)
    _, deviation = normaliser.on(torch.device("cpu"))
    assert float(deviation) == pytest.approx(np.sqrt(7) + 1e-5, rel=1e-7)
    constant = training.Normaliser.of(np.ones((3, 1, 1, 1), np.float32))
    assert float(constant.encode(torch.full((1, 1, 1, 1), 1.00002))) == pytest.approx(2, rel=1e-2)


def test_cosmic_has_the_27_fields_of_resolved_galaxies():
    galaxies = room("tasks", "cosmic", "spec").GALAXIES
    assert len(set(galaxies)) == len(galaxies) == 27


def test_the_36_features_of_deepsea():
    columns = room("tasks", "deepsea", "spec").COLUMNS
    assert columns[:3] == (12, 38, 63)
    assert columns[-1] == 906
    kinds = np.searchsorted([125, 815], columns, side="right")
    assert np.bincount(kinds).tolist() == [5, 27, 4]


def test_constants_of_searches():
    assert gaea.FLOOR == 1e-5
    assert (densenas.WEIGHT_PARTS, densenas.PARTS) == (4, 5)
    assert (controller.TEMPERATURE, controller.TANH, enas.ADVANTAGE) == (2.0, 1.5, 10.0)
    assert (random_search.NOISE, random_search.MOST_DRAWS) == (1e-3, 1000)
    assert (room("spaces", "wrn", "spec").WideResNetSettings().lr, wrn.WEIGHT_DECAY) == ([1e-4, 1e-1], (1e-5, 1e-2))
    assert (wrn.MOMENTUM, wrn.DROPOUT) == ((0.0, 0.3, 0.6, 0.9), (0.0, 0.3, 0.6))


# Data sheets: compute capability; TFLOPS of float32, TF32 and bfloat16 or float16, dense; TB/s; GiB.
CARD_SHEETS = {
    "v100": ((7, 0), 15.7, 15.7, 125, 0.9, 16),
    "t4": ((7, 5), 8.1, 8.1, 65, 0.32, 16),
    "a100-40": ((8, 0), 19.5, 156, 312, 1.56, 40),
    "a100": ((8, 0), 19.5, 156, 312, 2.04, 80),
    "l4": ((8, 9), 30.3, 60, 121, 0.3, 24),
    "l40s": ((8, 9), 91.6, 183, 362, 0.86, 48),
    "rtx4090": ((8, 9), 82.6, 82.6, 165, 1.01, 24),
    "h100": ((9, 0), 67, 494, 989, 3.35, 80),
    "h200": ((9, 0), 67, 494, 989, 4.8, 141),
    "b200": ((10, 0), 75, 1100, 2250, 7.7, 180),
}


def test_what_cards_can_do():
    assert CARDS.keys() == CARD_SHEETS.keys()
    for name, (capability, *peaks, bandwidth, memory) in CARD_SHEETS.items():
        card = CARDS[name]
        assert (card.capability, card.memory) == (capability, memory), name
        found = [card.peak(precision) for precision in ("float32", "tf32", "bfloat16")]
        assert [*found, card.bandwidth] == pytest.approx([1e12 * value for value in (*peaks, bandwidth)], rel=1e-12), (
            name
        )
        assert card.peak("float16") == card.bfloat16


# Samples of the published splits: train, valid, test, and whether the final number trains on train + valid.
SAMPLES = {
    "cifar100": (40_000, 10_000, 10_000),
    "spherical": (40_000, 10_000, 10_000),
    "ninapro": (3_956 - 2 * 659, 659, 659),
    "darcy": (900, 100, 100),
    "psicov": (3_456 - 100, 100, 150 * (512 // 128) ** 2),
    "cosmic": (4_830 - 483, 483, 420),
    "satellite": (800_000, 100_000, 100_000),
}


@pytest.mark.parametrize("task", SAMPLES)
def test_published_sizes(task):
    size, (train, valid, test) = PUBLISHED[task], SAMPLES[task]
    assert (size.train, size.valid, size.final_train, size.test, size.groups) == (
        train,
        valid,
        train + valid,
        test,
        None,
    )


def test_published_sizes_of_tasks_with_splits_of_their_own():
    assert PUBLISHED["ecg"] == Size((1, 1000), 261_740, 33_281, 296_044, 32_471)
    assert PUBLISHED["deepsea"] == Size((4, 1000), 71_753, 2_490, 71_753, 149_400, value_bytes=1)
    assert PUBLISHED["fsd50k"] == Size((1, 96, 101), 36_796, 55_000, 36_796, 191_000, 4_170, value_bytes=2)


@pytest.mark.parametrize("task", TASKS)
def test_published_shapes(task):
    assert SHAPES[task].draw(np.random.default_rng(0), 1)["x"].shape[1:] == PUBLISHED[task].shape


def test_bands_leave_out_two_and_a_half_percent_on_each_side():
    """As they say; the quantiles are those of profiles drawn here by the same seeds' names, one by one."""
    values = {"a-x": np.linspace(1, 2, 7), "b-x": np.linspace(1.2, 2.6, 7)}
    scores = pd.DataFrame(
        [("p", method, value, False, "complete") for method, all_values in values.items() for value in all_values],
        columns=["task", "method", "value", "higher_is_better", "outcome"],
    )
    taus = np.array([1.0, 1.1, 1.2, 1.3, 1.5])
    low, high = profiles.bands(scores, ["p"], ["a-x", "b-x"], taus)
    # A share of one task is 0 or 1: the band reaches 1 where more than 2.5 % of the draws solve, 0 where 97.5 % do not.
    draws = {
        method: all_values[generator("bootstrap", "p", method).integers(7, size=(1000, 7))].mean(1)
        for method, all_values in values.items()
    }
    best = np.minimum(draws["a-x"], draws["b-x"])
    shares = np.array([[(draws[method] / best <= tau).mean() for tau in taus] for method in values])
    assert ((shares > 0.025) & (shares < 0.05)).any() or ((shares < 0.975) & (shares > 0.95)).any()
    np.testing.assert_array_equal(high, shares > 0.025)
    np.testing.assert_array_equal(low, shares >= 0.975)
