"""Ranges of splits read what slices of the whole would; a data set that is not what its manifest says is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import synthetic
from nasperf360.data import datasets
from nasperf360.errors import DataError, UserError


@pytest.fixture
def whole(tmp_path: Path):
    data = synthetic.write(tmp_path, samples={"train": 20, "valid": 7, "test": 5})
    with data.dataset as dataset:
        yield dataset.split("train", "valid")


@pytest.mark.parametrize(("start", "stop"), [(0, 27), (0, 10), (5, 20), (12, 24), (20, 27), (22, 23)])
def test_part_is_a_slice(whole, start: int, stop: int) -> None:
    part = whole.part(start, stop)
    assert len(part) == stop - start
    assert part.nbytes == whole.nbytes * len(part) // 27
    np.testing.assert_array_equal(part.load("x"), whole.load("x")[start:stop])
    indices = np.random.default_rng(0).integers(len(part), size=9)
    np.testing.assert_array_equal(part.read("y", indices), whole.load("y")[start:stop][indices])


def test_part_of_a_part(whole) -> None:
    np.testing.assert_array_equal(whole.part(10, 25).part(5, 12).load("x"), whole.load("x")[15:22])


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (5, 28)])
def test_part_out_of_range(whole, start: int, stop: int) -> None:
    with pytest.raises(UserError, match=r"train\+valid"):
        whole.part(start, stop)


@pytest.mark.parametrize(("groups", "starts"), [([7], [0]), ([0, 0, 1, 2, 2], [0, 2, 3]), ([4, 4, 4], [0])])
def test_groups_start_where_the_value_changes(groups: list[int], starts: list[int]) -> None:
    assert datasets.group_starts(np.array(groups)).tolist() == starts


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
