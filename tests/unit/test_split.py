"""Splits and subsets read what indexing would; a data set that is not what its manifest says is refused."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import synthetic
from nasperf360.data import datasets
from nasperf360.data.datasets import Dataset, DatasetWriter, Split
from nasperf360.data.memory import DataMemory
from nasperf360.errors import DataError, UserError


@pytest.fixture
def whole(tmp_path: Path):
    data = synthetic.write(tmp_path, samples={"train": 20, "valid": 7, "test": 5})
    with data.dataset as dataset:
        yield dataset.split("train", "valid")


def stored(split: Split, field: str) -> np.ndarray:
    """All samples of the groups of a split, as h5py and numpy read them."""
    return np.concatenate([group[field][:] for group in split.groups])


INDICES = {
    "all": np.arange(27),
    "backwards": np.arange(27)[::-1],
    "runs": np.r_[3:8, 15:25],
    "runs that change places": np.r_[15:25, 3:8],
    "across train and valid": np.array([19, 20, 18, 21]),
    "repeats": np.array([5, 5, 6, 26, 5, 26]),
    "repeats and a gap of as many": np.array([5, 5, 7, 20, 20, 20, 23]),
    "one": np.array([22]),
    "none": np.arange(0),
    **{f"random {seed}": np.random.default_rng(seed).integers(27, size=40) for seed in range(3)},
}


@pytest.mark.parametrize("limits", [(1, 1 << 30), (1 << 20, 1 << 30), (1, 1), (1 << 20, 9000)], ids=str)
@pytest.mark.parametrize("indices", INDICES.values(), ids=INDICES)
def test_reading_is_indexing(whole, indices: np.ndarray, limits: tuple[int, int], monkeypatch) -> None:
    """Whatever is read at once: single samples, runs, or runs with samples between that nobody asked for."""
    monkeypatch.setattr(datasets, "GAP_BYTES", limits[0])
    monkeypatch.setattr(datasets, "READ_BYTES", limits[1])
    for field in whole.fields:
        found, expected = whole.read(field, indices), stored(whole, field)[indices]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def counted(monkeypatch) -> list[tuple[int, int]]:
    """First sample and number of samples of each read from here on."""
    calls, real = [], datasets._RowsOnDisk.read

    def read(stored, first: int, out: np.ndarray) -> None:
        calls.append((first, len(out)))
        real(stored, first, out)

    monkeypatch.setattr(datasets._RowsOnDisk, "read", read)
    return calls


def test_runs_are_read_at_once_and_few_samples_too_many(whole, monkeypatch) -> None:
    calls, size = counted(monkeypatch), whole.field_bytes("x") // len(whole)
    assert size == 3 * 16 * 16 * 4
    monkeypatch.setattr(datasets, "GAP_BYTES", 2 * size)
    indices = np.array([12, 1, 2, 3, 6, 10, 11, 25, 24])
    np.testing.assert_array_equal(whole.read("x", indices), stored(whole, "x")[indices])
    assert calls == [(1, 6), (10, 3), (4, 2)]  # two samples between 3 and 6, three between 6 and 10
    calls.clear()
    monkeypatch.setattr(datasets, "READ_BYTES", 8 * size)
    np.testing.assert_array_equal(whole.load("x"), stored(whole, "x"))
    assert calls == [(0, 8), (8, 8), (16, 4), (0, 7)]


UNLIKE = {
    "type": ({"sky": ((), "float64")}, r"'sky' is float32 of \(\) in 'train' and float64 of \(\) in 'valid'"),
    "shape": ({"x": ((4,), "float32")}, r"'x' is float32 of \(3,\) in 'train' and float32 of \(4,\) in 'valid'"),
    "lacking": ({"sky": None}, r"'sky' is float32 of \(\) in 'train' and missing in 'valid'"),
    "more": ({"more": ((), "int8")}, r"'more' is missing in 'train' and int8 of \(\) in 'valid'"),
}


def write_unlike(path: Path, change: dict, *of: str) -> None:
    fields = {"x": ((3,), "float32"), "y": ((), "int64"), "sky": ((), "float32")}
    with DatasetWriter(path, task="unlike", origin="simulated", licence="none") as writer:
        for name in ("train", "valid", "test"):
            here = {key: kind for key, kind in {**fields, **(change if name in of else {})}.items() if kind}
            split = writer.split(name, **here)
            split.append(**{key: np.zeros((5, *shape), dtype) for key, (shape, dtype) in here.items()})


@pytest.mark.parametrize("name", UNLIKE)
def test_what_a_training_may_join_is_of_one_kind(tmp_path: Path, monkeypatch, name: str) -> None:
    """Samples of several kinds would be read into memory made for those of the first."""
    change, words = UNLIKE[name]
    path = tmp_path / "unlike.h5"
    with pytest.raises(DataError, match=rf"^{path}: {words}, which cannot follow each other; write both alike"):
        write_unlike(path, change, "valid")
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as elsewhere:  # a file that comes from somebody who wrote it by other means
        elsewhere.setattr(datasets, "check_alike", lambda *arguments: None)
        write_unlike(path, change, "valid")
    with pytest.raises(DataError, match=rf"^{tmp_path}/unlike\.json: {words}, which cannot follow each other; delete"):
        Dataset(path)


def test_a_test_split_may_be_of_another_kind_but_is_joined_to_none(tmp_path: Path) -> None:
    write_unlike(tmp_path / "unlike.h5", {"x": ((4,), "float32"), "length": ((), "int32")}, "test")
    with Dataset(tmp_path / "unlike.h5") as dataset:
        assert dataset.split("test").shape() == (4,)
        with pytest.raises(DataError, match=r"'length' is missing in 'train' and int32 .*; take one at a time$"):
            dataset.split("train", "test")


def test_a_subset_is_what_indexing_gives(whole) -> None:
    indices = np.random.default_rng(0).permutation(27)[:11]
    subset = whole.subset(indices, "eleven")
    assert (len(subset), subset.name) == (11, "train+valid, eleven")
    assert subset.nbytes == whole.nbytes * 11 // 27 == sum(subset.load(field).nbytes for field in subset.fields)
    np.testing.assert_array_equal(subset.load("x"), stored(whole, "x")[indices])
    again = subset.subset(np.array([7, 2, 2]), "three")
    np.testing.assert_array_equal(again.load("y"), stored(whole, "y")[indices[[7, 2, 2]]])
    np.testing.assert_array_equal(again.read("x", np.array([1])), stored(whole, "x")[indices[[2]]])


@pytest.mark.parametrize(("indices", "asked"), [([-1, 2], "-1 to 2"), ([], "none"), ([5, 27], "5 to 27")])
def test_a_subset_out_of_range(whole, indices: list[int], asked: str) -> None:
    with pytest.raises(UserError, match=rf"'train\+valid' samples are asked for \(some: {asked}\) .* among its 27;"):
        whole.subset(np.array(indices, np.int64), "some")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        field = file.create_dataset("train/x", data=np.arange(100.0), chunks=(100,), fletcher32=True)
        offset = field.id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as stream:
        stream.seek(offset + 80)
        stream.write(b"damaged")
    with (
        h5py.File(path) as file,
        pytest.raises(DataError, match=r"bad\.h5: cannot be read \(.*; delete it and"),
    ):
        Split([file["train"]], "train", DataMemory()).load("x")


def test_memory_is_given_back_when_its_owner_is_gone() -> None:
    class Owner:
        pass

    memory, first, second = DataMemory(100), Owner(), Owner()
    assert memory.take(60, first)
    assert not memory.take(41, second)
    assert memory.take(40, second)
    del first
    assert memory.take(60, second)
    assert not memory.take(1, second)


@pytest.mark.parametrize(("groups", "starts"), [([7], [0]), ([0, 0, 1, 2, 2], [0, 2, 3]), ([4, 4, 4], [0])])
def test_groups_start_where_the_value_changes(groups: list[int], starts: list[int]) -> None:
    assert datasets.group_starts(np.array(groups)).tolist() == starts
    found, sizes = datasets.group_runs(np.array(groups))
    assert found.tolist() == starts
    assert [groups[start : start + size] for start, size in zip(found, sizes, strict=True)] == [
        [value] * groups.count(value) for value in sorted(set(groups))
    ]


def test_targets_are_all_but_the_inputs(whole) -> None:
    targets = whole.targets()
    assert sorted(["x", *targets]) == whole.fields
    for field, values in targets.items():
        np.testing.assert_array_equal(values, whole.load(field))


def flip(path: Path) -> None:
    """The file's middle byte, as a disk does it: the size stays."""
    with open(path, "r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))


def test_a_flipped_byte_is_found_and_named(tmp_path: Path) -> None:
    data, memory = synthetic.write(tmp_path), tmp_path / "verified.json"
    with data.dataset as dataset:
        dataset.verify(memory)
    flip(dataset.path)
    with pytest.raises(DataError, match=r"synthetic-2-point\.h5: its content differs .*; delete both and run again"):
        dataset.verify(memory)
    flip(dataset.path)
    dataset.verify(memory)


def test_a_file_found_good_is_read_once(tmp_path: Path, monkeypatch) -> None:
    data, memory = synthetic.write(tmp_path), tmp_path / "verified.json"
    read = []
    digest = datasets.digest_file
    monkeypatch.setattr(datasets, "digest_file", lambda path: read.append(path) or digest(path))
    with data.dataset as dataset:
        for _ in range(3):
            dataset.verify(memory)
        assert len(read) == 1
        for damage in ("", "[1]", json.dumps({**json.loads(memory.read_text()), "inode": 0})):
            memory.write_text(damage)
            dataset.verify(memory)
        assert len(read) == 4
        os.utime(dataset.path)
        dataset.verify(memory)
        assert len(read) == 5
