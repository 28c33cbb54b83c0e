"""Limits at their edges: the last value that is allowed, and the first that is not."""

import json
import struct

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from urllib3.exceptions import HTTPError, NewConnectionError

from nasperf360.algorithms.asha.spec import AshaSettings
from nasperf360.algorithms.shared.supernet_settings import check_warmup
from nasperf360.algorithms.shared.supernet_steps import random_subset
from nasperf360.data import web
from nasperf360.data.answers import Passing
from nasperf360.data.memory import DataMemory
from nasperf360.data.names import LONGEST, relative_path
from nasperf360.data.reading import LARGEST_RATIO, MOST_NAMED, check_size, each
from nasperf360.data.sources import Source
from nasperf360.errors import DataError, UserError
from nasperf360.estimate.cards import CARDS
from nasperf360.registry import room
from nasperf360.spaces.autodl.spec import FEWEST_LAYERS, AutoDeepLabSettings
from nasperf360.spaces.darts.spec import DartsSearch
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.spaces.wrn.spec import WideResNetSettings
from nasperf360.stages.digest_cache import LIMIT, DigestCache
from nasperf360.stages.training_job import write_history
from nasperf360.study.runtimes import minutes, read_runtimes
from nasperf360.tables import paired
from nasperf360.tables.costs import hours
from nasperf360.tasks.darcy.spec import SolutionsOptions
from nasperf360.tasks.shared.matlab import read_matlab
from nasperf360.tasks.shared.task_spec import Signature
from nasperf360.training.checkpoints import Checkpoint


def rungs(most):
    return AshaSettings.model_validate(
        {"trials": 4, "reduction_factor": 2, "min_epochs": 1, "rungs": 3, "max_epochs": most}, strict=False
    )


SETTINGS = {
    "asha's last rung is later than the one before": (rungs, 3, 2),
    "a search has an epoch after its warm-up": (lambda before: check_warmup("warmup_epochs", before, 5), 4, 5),
    "a cell network has both kinds of cells": (lambda depth: DartsSearch(depth=depth), 3, 2),
    "auto-deeplab's network has all levels": (
        lambda layers: AutoDeepLabSettings(layers=layers),
        FEWEST_LAYERS,
        FEWEST_LAYERS - 1,
    ),
    "a wide resnet has a block in each group": (lambda depth: WideResNetSettings(depth=depth), 10, 4),
    "a range may be of one value": (
        lambda least: room("tasks", "psicov", "spec").SimulateSettings.model_validate({"length": [least, 60]}),
        60,
        61,
    ),
    "rows of darcy's splits may touch": (
        lambda first: SolutionsOptions.model_validate({"rows": {"train": [0, 5], "valid": [first, 9]}}),
        5,
        4,
    ),
    "rows of a split are some": (
        lambda last: SolutionsOptions.model_validate({"rows": {"train": [4, last]}}),
        5,
        4,
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name):
    make, allowed, refused = SETTINGS[name]
    make(allowed)
    with pytest.raises((ValidationError, ValueError)):
        make(refused)


def test_hyperparameters_of_wrn_are_from_0_to_1_and_its_lr_is_above():
    space = search_space("wrn", Signature(1, False, (1, 46), 24), {})
    space.check({"space": "wrn", "dropout": 0, "momentum": 1, "lr": 1})
    for other in ({"dropout": 1.01}, {"momentum": -0.01}, {"lr": 0}):
        with pytest.raises(UserError):
            space.check({"space": "wrn", **other})


def test_data_that_just_fit_are_held_in_memory_and_given_back():
    class Owner:
        pass

    memory, owner = DataMemory(10), Owner()
    assert not memory.take(11, owner)
    assert memory.take(10, owner)
    assert not memory.take(1, owner)
    del owner
    assert memory.free == 10


def test_names_of_255_bytes_and_nothing_longer():
    assert relative_path("a" * LONGEST) == "a" * 255
    with pytest.raises(ValueError, match="longer than the 255 bytes"):
        relative_path("a" * (LONGEST + 1))


def test_an_array_may_be_as_many_times_larger_than_what_holds_it_as_compression_allows(tmp_path):
    check_size(tmp_path, "x", 3 * LARGEST_RATIO, 3)
    check_size(tmp_path, "x", LARGEST_RATIO, 0)
    with pytest.raises(DataError, match="x would take"):
        check_size(tmp_path, "x", 3 * LARGEST_RATIO + 1, 3)


@pytest.mark.parametrize("count", [0, 1, 2, MOST_NAMED, MOST_NAMED + 1])
def test_faulty_files_are_named_together_up_to_a_number(count):
    def check(number):
        if number < count:
            raise DataError(f"fault {number}")
        return 10 * number

    if not count:
        assert each(range(3), check) == [0, 10, 20]
        return
    with pytest.raises(DataError) as error:
        each(range(MOST_NAMED + 5), check)
    said = str(error.value)
    assert said.count("fault ") == min(count, MOST_NAMED)
    assert said.startswith(
        "fault 0" if count == 1 else f"{count} of {MOST_NAMED + 5} files are faulty: fault 0; fault 1"
    )
    assert ("and 1 more" in said) is (count > MOST_NAMED)


def source(**file):
    return Source.parse(
        "ecg", {"licence": "none", "files": [{"name": "a.zip", "role": "train", **file}]}, "sources.yaml"
    )


def test_a_file_of_no_bytes_is_a_file():
    assert source(bytes=0).files[0].bytes == 0
    with pytest.raises(UserError, match="bytes -1 was given"):
        source(bytes=-1)


def test_a_subset_of_all_samples_is_all_of_them_as_they_are():
    class Split:
        indices = None

        def __len__(self):
            return 8

        def subset(self, chosen, name):
            return sorted(chosen)

    class Task:
        class spec:
            one_per_group = False

    split = Split()
    assert random_subset(Task, split, None, 0) is split
    assert random_subset(Task, split, 8, 0) is split
    assert random_subset(Task, split, 9, 0) is split
    assert len(random_subset(Task, split, 7, 0)) == 7


def test_the_oldest_card_that_the_pinned_torch_drives_is_turing():
    assert {name for name, card in CARDS.items() if not card.driven} == {"v100"}
    assert CARDS["t4"].capability == (7, 5)


def test_minutes_of_a_queue_are_whole_and_above_0(tmp_path):
    path = tmp_path / "runtimes.json"
    path.write_text('{"search/ecg/wrn-default": 1}')
    assert minutes(read_runtimes(str(path)), "search", "ecg", "wrn-default") == 1
    for bad in ("0", "1.5", "true"):
        path.write_text(f'{{"search/ecg/wrn-default": {bad}}}')
        with pytest.raises(UserError, match="not minutes by"):
            read_runtimes(str(path))


def test_hours_are_seconds_below_a_minute_and_no_longer():
    assert [hours(value) for value in (0.0, 59.9 / 3600, 60 / 3600)] == ["0", "60 s", "0.017"]


def test_p_are_printed_down_to_a_thousandth():
    assert [paired._p(value) for value in (0.00099, 0.001, 0.05)] == ["< 0.001", "0.001", "0.050"]


def test_history_has_whole_numbers_as_such_and_only_as_far_as_they_are_exact(tmp_path):
    rows = [{"epoch": 0.0, "loss": 0.5, "large": 1e15}, {"epoch": 1.0, "large": 999999999999999.0}]
    write_history(tmp_path / "history.csv", rows)
    assert (tmp_path / "history.csv").read_text() == "epoch,loss,large\n0,0.5,1000000000000000.0\n1,,999999999999999\n"


def test_the_cache_of_digests_keeps_as_many_as_its_limit(tmp_path):
    path = tmp_path / "cache.json"
    path.write_text(json.dumps({str(number): 0 for number in range(LIMIT - 1)}))
    for text, kept in (("a", LIMIT), ("b", 1)):
        cache = DigestCache(path)
        cache.get(text, len)
        cache._save()
        assert len(json.loads(path.read_text())) == kept


def test_a_save_is_due_again_once_the_interval_is_over(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(tmp_path, {}, 30.0)
    for _ in range(2):
        now[0] += 29.9
        assert not checkpoint.due
        now[0] += 0.1
        assert checkpoint.due
        checkpoint.save({"weights": torch.zeros(1)})
        assert not checkpoint.due


def v4(**changed):
    """A file of MATLAB's version 4 that holds x = [1 2 3; 4 5 6], columns first."""
    header = {"type": 0, "rows": 2, "columns": 3, "imaginary": 0, "length": 2} | changed
    return struct.pack("<5i", *header.values()) + b"x\0" + np.arange(6.0).tobytes()


def test_arrays_of_matlab_4(tmp_path):
    path = tmp_path / "x.mat"
    path.write_bytes(v4())
    assert read_matlab(path, "x")["x"].tolist() == [[0, 2, 4], [1, 3, 5]]
    path.write_bytes(v4()[:-1])
    with pytest.raises(DataError, match="truncated, 69 bytes of at least 70"):
        read_matlab(path, "x")
    for bad in (
        {"type": 3},
        {"type": 100},
        {"type": 60},
        {"rows": -1},
        {"imaginary": 2},
        {"length": 0},
        {"length": 4097},
    ):
        path.write_bytes(v4(**bad))
        with pytest.raises(DataError):
            read_matlab(path, "x")


def test_patience_with_a_server(monkeypatch):
    """Nine times more in six minutes; three where it cannot be reached; as it says, but ten minutes at most."""
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)

    def waited(**fault):
        def give_up():
            patience = web.PATIENCE
            while True:
                patience = web._wait(Passing("it broke", "later", **fault), patience, "an address")

        waits.clear()
        with pytest.raises(UserError, match="it broke; later"):
            give_up()
        return list(waits)

    assert waited() == [0, 2, 4, 8, 16, 32, 64, 120, 120]
    assert len(waited(cause=NewConnectionError(None, "no route"))) == 3
    assert waited(cause=HTTPError("neither line nor server")) == []
    assert set(waited(retry_after="7")) == {7}
    assert set(waited(retry_after="86400")) == {600}
    assert (web.CONNECT_SECONDS, web.SILENCE_SECONDS, web.SLOWEST, web.SLOW_SECONDS) == (15, 60, 1000, 60)
