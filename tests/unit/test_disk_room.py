"""The room of a file that is being written is taken before HDF5 writes, and given back."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from nasperf360.data.disk_room import SLACK, DiskRoom, check_room


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w", libver="latest", locking=False) as file:
        yield file


def size(file):
    return Path(file.filename).stat().st_size


def test_a_file_that_cannot_be_closed_is_not_begun(tmp_path):
    check_room(tmp_path / "new")
    assert (tmp_path / "new").stat().st_size == SLACK


def test_a_new_file_has_room_for_its_tables(file):
    assert size(file) < SLACK
    DiskRoom(file)
    assert size(file) >= SLACK


def test_rows_have_the_room_of_whole_chunks_and_what_is_not_needed_is_given_back(file):
    x = file.create_dataset("x", (0, 100), "float64", maxshape=(None, 100), chunks=(10, 100))
    room = DiskRoom(file)
    room.take({x: 501})
    assert size(file) >= SLACK + 510 * 800 + 510 * 800 // 64
    x.resize(501, axis=0)
    x[:] = np.ones((501, 100))
    room.give_back()
    assert 501 * 800 < size(file) < 510 * 800 + SLACK
