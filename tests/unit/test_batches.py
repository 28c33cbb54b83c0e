"""Batches: a uniformly random order whatever the file's, the same from memory and disk, made ahead by one thread."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from nasperf360.algorithms.enas.repeated import RepeatedBatches
from nasperf360.algorithms.shared.supernet_steps import (
    ArchitectureBatches,
    RandomBatches,
    random_subset,
    weight_and_architecture_splits,
)
from nasperf360.data.datasets import Dataset, DatasetWriter, Split
from nasperf360.errors import DataError
from nasperf360.seeds import derive_seed, generator
from nasperf360.spaces.shared.search_space import search_space
from nasperf360.tasks.shared.task_training import Batch
from nasperf360.training import batches
from nasperf360.training.batches import Loader, TrainingBatches, ahead
from nasperf360.training.fitting import fit, predict
from nasperf360.training.settings import TrainingSettings

CPU = torch.device("cpu")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(batches.__file__).parents[2])}
CLASSES, PER_CLASS, BATCH = 40, 30, 60
MEMORY = {"memory": 1 << 30, "labels in memory": 40_000, "disk": 0}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """Samples sorted by class, ``x`` their number; each class has 15 groups of one to three samples."""
    path = tmp_path_factory.mktemp("sorted") / "sorted.h5"
    y = np.repeat(np.arange(CLASSES), PER_CLASS)
    group = np.concatenate([15 * label + np.repeat(np.arange(15), [1, 2, 3] * 5) for label in range(CLASSES)])
    x = np.broadcast_to(np.arange(len(y), dtype=np.float32)[:, None, None], (len(y), 1, 10))
    with DatasetWriter(path, task="sorted", origin="simulated", licence="none") as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((1, 10), "float32"), y=((), "int64"), group=((), "int32"), classes=CLASSES)
            split.append(x=x, y=y, group=group)
    return path


@pytest.fixture(params=MEMORY, ids=lambda name: name.replace(" ", "-"))
def train(path: Path, request) -> Iterator[Split]:
    with Dataset(path, MEMORY[request.param]) as dataset:
        split = dataset.split("train")
        yield split
        held = {"memory": {"group", "x", "y"}, "labels in memory": {"group", "y"}, "disk": set()}[request.param]
        assert set(split.held) in (held, set())  # the latter where only subsets are loaded


def classes(labels: np.ndarray) -> int:
    return len(np.unique(labels))


def uniform(labels: np.ndarray, count: int) -> float:
    """Expected number of classes among ``count`` of these samples drawn without replacement (hypergeometric)."""
    _, sizes = np.unique(labels, return_counts=True)
    left = len(labels) - sizes
    absent = np.ones(len(sizes))
    for drawn in range(count):
        absent *= np.maximum(left - drawn, 0) / (len(labels) - drawn)
    return float((1 - absent).sum())


def test_the_expectation_is_what_random_draws_give() -> None:
    labels, rng = np.repeat(np.arange(5), [1, 2, 3, 10, 20]), np.random.default_rng(0)
    drawn = np.mean([classes(rng.choice(labels, 7, replace=False)) for _ in range(4000)])
    assert uniform(labels, 7) == pytest.approx(drawn, abs=0.05)


def epochs(loader: Loader, count: int) -> list[list[np.ndarray]]:
    """Labels of each full batch of each epoch."""
    found = [[batch["y"].numpy() for batch in loader.shuffled(generator("order", epoch))] for epoch in range(count)]
    return [[batch for batch in epoch if len(batch) == loader.batch_size] for epoch in found]


@pytest.mark.parametrize("kind", ["all", "one per group", "subset", "train and valid"])
def test_batches_of_a_sorted_file_have_the_classes_of_uniform_ones(train: Split, kind: str) -> None:
    split = train
    if kind == "subset":
        split = train.subset(np.arange(200, 1100), "some")
    elif kind == "train and valid":
        split = Split(2 * train.groups, "train+valid", train.memory)
    loader = Loader(split, BATCH, CPU, one_per_group=kind == "one per group")
    labels = split.load("y") if kind != "one per group" else np.repeat(np.arange(CLASSES), 15)
    counts = [classes(batch) for epoch in epochs(loader, 4) for batch in epoch]
    expected = uniform(labels, BATCH)
    assert expected > 20
    # The number of classes of a batch deviates by less than 2.5: four deviations of the mean, and a twentieth class.
    assert np.mean(counts) == pytest.approx(expected, abs=0.05 + 4 * 2.5 / np.sqrt(len(counts)))
    assert min(counts) > expected - 10


def test_every_order_is_as_likely(train: Split) -> None:
    """Where a sample of the file stands in an epoch: uniform, and not correlated with where its neighbour does."""
    loader, places = Loader(train, BATCH, CPU), []
    for epoch in range(20):
        rows = torch.cat([batch["x"][:, 0, 0] for batch in loader.shuffled(generator("place", epoch))]).numpy()
        assert sorted(rows) == list(range(len(train)))
        places.append(np.argsort(rows))
    scaled = np.array(places) / len(train)
    deviation = np.sqrt(1 / 12 / len(places))
    assert np.abs(scaled.mean(0) - 0.5).max() < 5 * deviation
    correlations = [np.corrcoef(place[:-1], place[1:])[0, 1] for place in scaled]
    assert abs(np.mean(correlations)) < 5 / np.sqrt(len(train) * len(places))


def subsets_of(train: Split, cut: str, one_per_group: bool, seed: int) -> list[Split]:
    task = synthetic.SyntheticTask(1, one_per_group=one_per_group)
    if cut == "max_samples":
        return [random_subset(task, train, 120, seed)]
    parts, whole = (1, 2) if cut == "halves" else (4, 5)
    return list(weight_and_architecture_splits(task, train, parts, whole, seed))


@pytest.mark.parametrize("one_per_group", [False, True], ids=["samples", "groups"])
@pytest.mark.parametrize("cut", ["halves", "four to one", "max_samples"])
def test_cuts_of_a_sorted_file_have_the_classes_of_uniform_ones(train: Split, cut: str, one_per_group: bool) -> None:
    units = 15 * CLASSES if one_per_group else PER_CLASS * CLASSES
    sizes = {"halves": [units // 2] * 2, "four to one": [units * 4 // 5, units // 5], "max_samples": [120]}[cut]
    shares: list[list[int]] = [[] for _ in sizes]
    for seed in range(10):
        splits = subsets_of(train, cut, one_per_group, seed)
        taken = [split.load("x")[:, 0, 0].astype(int) for split in splits]
        assert all((np.diff(rows) > 0).all() for rows in taken)
        if len(splits) == 2:
            assert sorted(np.concatenate(taken)) == list(range(len(train)))
        for split, size, share in zip(splits, sizes, shares, strict=True):
            if one_per_group:  # whole ones, each in one place
                groups, counts = np.unique(split.load("group"), return_counts=True)
                assert len(groups) == size
                assert (counts == np.tile([1, 2, 3], units // 3)[groups]).all()
            else:
                assert len(split) == size
            loader = Loader(split, 20, CPU, one_per_group=one_per_group)
            assert len(loader) == size
            share.append(classes(split.load("y")))
    labels = np.repeat(np.arange(CLASSES), units // CLASSES)
    for size, share in zip(sizes, shares, strict=True):
        assert np.mean(share) == pytest.approx(uniform(labels, size), abs=1.5)


def test_cuts_depend_on_the_seed_alone(path: Path) -> None:
    with Dataset(path) as dataset:
        train = dataset.split("train")
        first, again, other = (subsets_of(train, "halves", False, seed)[0].rows for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()
        task = synthetic.SyntheticTask(1)
        assert random_subset(task, train, None, 0) is random_subset(task, train, len(train), 0) is train


def batches(path: Path, memory: float, one_per_group: bool) -> list[dict[str, torch.Tensor]]:
    with Dataset(path, memory) as dataset:
        loader = Loader(dataset.split("train", "valid"), 32, CPU, one_per_group=one_per_group)
        shuffled = [batch for epoch in range(2) for batch in loader.shuffled(generator("equal", epoch))]
        return shuffled + list(loader.in_order())


@pytest.mark.parametrize("one_per_group", [False, True], ids=["samples", "groups"])
def test_memory_and_disk_give_the_same_batches(path: Path, one_per_group: bool) -> None:
    expected, *others = (batches(path, memory, one_per_group) for memory in MEMORY.values())
    for found in others:
        for batch, wanted in zip(found, expected, strict=True):
            assert batch.keys() == wanted.keys() == {"x", "y", "group"}
            for field, values in batch.items():
                assert torch.equal(values, wanted[field])
                assert (values.dtype, values.stride()) == (wanted[field].dtype, wanted[field].stride())


def test_memory_and_disk_give_the_same_training_bit_for_bit(tmp_path: Path) -> None:
    data = synthetic.write(tmp_path)
    space = search_space("wrn", data.signature, {"depth": 10, "widen": 1, "width": 4, "width_1d": 8})
    settings = TrainingSettings.model_validate(
        {"epochs": 2, "batch_size": 16, "lr": 0.05, "momentum": 0.9, "schedule": {"name": "cosine"}}
    )
    results = []
    for memory in (1 << 30, 1000, 0):
        with Dataset(data.dataset.path, memory) as dataset:
            train, test = dataset.final(merge_valid=True)
            torch.manual_seed(0)
            model = space.build({"space": "wrn", "dropout": 0.3})
            # Before and after: what a prediction has loaded serves a training.
            before = predict(model, data.task, train, settings, device=CPU)
            history = fit(model, data.task, train, settings, seed=1, device=CPU)
            after = predict(model, data.task, test, settings, device=CPU)
            results.append((before, history, after, [value.numpy() for value in model.state_dict().values()]))
            assert len(train.held) == {1 << 30: 2, 1000: 0, 0: 0}[memory]
    for before, history, after, weights in results[1:]:
        np.testing.assert_array_equal(before, results[0][0])
        assert history == results[0][1]
        np.testing.assert_array_equal(after, results[0][2])
        assert all(np.array_equal(*pair) for pair in zip(weights, results[0][3], strict=True))


def test_loaders_share_memory_and_what_a_split_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Dataset(path) as dataset:
        size = dataset.split("train").nbytes
    loaded, real = [], Split.load
    monkeypatch.setattr(Split, "load", lambda split, field: loaded.append((split.name, field)) or real(split, field))
    with Dataset(path, 1.5 * size) as dataset:
        train, valid = dataset.tuning()
        assert len(Loader(train, 8, CPU).held) == len(Loader(train, 16, CPU).held) == 3
        assert set(Loader(valid, 8, CPU).held) == {"group", "y"}
        del train
        assert set(Loader(valid, 8, CPU).held) == {"group", "x", "y"}
    assert len(loaded) == len(set(loaded)) == 6


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("data")}


def numbers(count: int, made: list[int]) -> Iterator[dict[str, torch.Tensor]]:
    for number in range(count):
        made.append(number)
        yield {"x": torch.tensor(number)}


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


SIGNALLED = """
import os, signal, threading, time, traceback
from nasperf360 import interruption
from nasperf360.training.batches import ahead

def batches():
    yield 0
    # The consumer, who does nothing, waits for this one by now, or will.
    while not interruption.asked():
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
    yield 1

try:
    with interruption.handled():
        list(ahead(batches()))
except interruption.Interrupted as end:
    names = [os.path.basename(frame.filename) for frame in traceback.extract_tb(end.__traceback__)]
    print(end.signal, len(threading.enumerate()), {"thread.py", "_base.py", "threading.py"} & set(names))
"""


def test_a_signal_waits_for_the_batch_under_way() -> None:
    """It comes while the consumer waits for that, and raises nowhere in code that may hold a lock of both threads."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("SIGUSR1 1 set()\n", "")


def test_one_batch_is_made_ahead_and_no_more() -> None:
    made: list[int] = []
    coming = ahead(numbers(5, made))
    assert made == []
    assert not threads()
    for number in range(5):
        assert next(coming) == {"x": torch.tensor(number)}
        wait_for(lambda: len(made) == min(number + 2, 5))  # noqa: B023 - called at once
        time.sleep(0.01)
        assert len(made) == min(number + 2, 5)
    assert len(threads()) == 1
    assert next(coming, None) is None
    assert not threads()


@pytest.mark.parametrize("how", ["closed", "dropped", "raised"])
def test_no_thread_is_left(path: Path, how: str) -> None:
    with Dataset(path, 0) as dataset:
        loader = Loader(dataset.split("train"), BATCH, CPU)
        shuffled = loader.ahead(loader.shuffled(generator("left")))
        next(shuffled)
        assert len(threads()) == 1
        if how == "closed":
            shuffled.close()  # type: ignore[attr-defined]
        elif how == "dropped":
            del shuffled
        else:
            with pytest.raises(KeyboardInterrupt):
                shuffled.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
        assert not threads()


def test_errors_of_the_thread_are_raised_at_their_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Dataset(path, 0) as dataset:
        loader, reads, real = Loader(dataset.split("train"), BATCH, CPU), [], Split.read

        def read(split: Split, field: str, indices: np.ndarray) -> np.ndarray:
            reads.append(threading.current_thread().name)
            if len(reads) > 2 * len(split.fields):
                raise DataError("sorted.h5: cannot be read")
            return real(split, field, indices)

        monkeypatch.setattr(Split, "read", read)
        seen = []
        with pytest.raises(DataError, match="cannot be read"):
            seen.extend(loader.ahead(loader.shuffled(generator("errors"))))
        assert len(seen) == 2
        assert all(name.startswith("data") for name in reads)
    assert not threads()


class Noisy(synthetic.SyntheticTask):
    """Notes which thread augments."""

    def __init__(self) -> None:
        super().__init__(1)
        self.threads: list[str] = []

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        self.threads.append(threading.current_thread().name)
        return {**batch, "x": batch["x"] + torch.rand(batch["x"].shape, generator=generator)}


SEED, EPOCH, TAKEN = 3, 1, 30
NAME = "warm-up", 0


def plain(kind: str, task: Noisy, loader: Loader) -> Iterator[Batch]:
    """What a loop without a thread gives, as the search's and the training's own documentation says."""
    if kind == "random":
        for number in range(TAKEN):
            draws = torch.Generator().manual_seed(derive_seed(SEED, "architecture augment", EPOCH, number))
            order = generator(SEED, "architecture order", EPOCH, number)
            yield task.augment(next(loader.shuffled(order)), draws)
    elif kind == "repeated":
        draws, taken = torch.Generator().manual_seed(derive_seed(SEED, "augment", *NAME)), 0
        while taken < TAKEN:
            for batch in loader.shuffled(generator(SEED, "order", *NAME)):
                if len(batch["y"]) == loader.batch_size and taken < TAKEN:
                    taken += 1
                    yield task.augment(batch, draws)
    else:
        for turn in range(2):
            seed = SEED if kind == "training" else derive_seed(SEED, "architecture", turn)
            draws = torch.Generator().manual_seed(derive_seed(seed, "augment", EPOCH))
            for batch in loader.shuffled(generator(seed, "order", EPOCH)):
                yield task.augment(batch, draws)
            if kind == "training":
                return


def stream(kind: str, task: Noisy, loader: Loader) -> Any:
    if kind == "repeated":
        return RepeatedBatches(task, loader, SEED, NAME, TAKEN)
    kinds: dict[str, Any] = {
        "training": TrainingBatches,
        "architecture": ArchitectureBatches,
        "random": RandomBatches,
    }
    return kinds[kind](task, loader, SEED, EPOCH)


@pytest.mark.parametrize("kind", ["training", "architecture", "random", "repeated"])
@pytest.mark.parametrize("memory", ["memory", "disk"])
def test_batches_are_augmented_ahead_to_the_numbers_of_a_plain_loop(path: Path, kind: str, memory: str) -> None:
    """A wait for the disk is a wait for what is done to the rows, too. A stream goes on from wherever one ended."""
    with Dataset(path, MEMORY[memory]) as dataset:
        loader, own = Loader(dataset.split("train"), 64, CPU), threading.current_thread().name
        task, expected = Noisy(), list(islice(plain(kind, Noisy(), loader), TAKEN))
        assert len(expected) == (TAKEN if kind != "training" else 19)
        left, states = stream(kind, task, loader), []
        for wanted in expected:
            states.append(left.state_dict())
            assert_equal(next(left), wanted)
        assert all(name.startswith("data") if memory == "disk" else name == own for name in task.threads)
        assert len(task.threads) >= len(expected)
        for place in (0, 1, len(expected) - 1, 18, 17, 7):
            left.load_state_dict(states[place])
            other = stream(kind, task, loader)
            other.load_state_dict(states[place])
            for wanted in expected[place : place + 3]:
                assert_equal(next(left), wanted)
                assert_equal(next(other), wanted)
        del left, other
        assert not threads()


def assert_equal(batch: Batch, wanted: Batch) -> None:
    assert batch.keys() == wanted.keys()
    assert all(torch.equal(values, wanted[field]) for field, values in batch.items())


def test_a_thread_is_there_where_it_spares_a_wait(path: Path) -> None:
    """For the disk, or a GPU's for the CPU."""
    for memory, device, wanted in ((0, "cpu", True), (1 << 30, "cpu", False), (1 << 30, "cuda", True)):
        with Dataset(path, memory) as dataset:
            loader, made = Loader(dataset.split("train"), BATCH, CPU), list[str]()
            loader.device = torch.device(device)  # the items below are on none
            items = (made.append(threading.current_thread().name) or number for number in range(3))
            assert list(loader.ahead(items)) == [0, 1, 2]
            assert [name.startswith("data") for name in made] == [wanted] * 3
