"""Ranges of splits read what slices of the whole would."""

from pathlib import Path

import numpy as np
import pytest

import synthetic
from nasperf360.errors import UserError


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
