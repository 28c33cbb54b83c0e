"""Every edge of every tile, crop, chunk and window: the first and the last sample of each side, counted by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.tasks.cosmic.data import read_tile
from nasperf360.tasks.ecg.data import Records, window_table
from nasperf360.tasks.fsd50k.log_mel import chunks
from nasperf360.tasks.ninapro.data import cut_windows, window_starts
from nasperf360.tasks.psicov.data import window
from nasperf360.tasks.psicov.metric import contact_errors
from nasperf360.tasks.psicov.training import Psicov
from nasperf360.training.batches import Loader


class Identity(nn.Module):
    """Counts the tiles that it is given."""

    def __init__(self):
        super().__init__()
        self.tiles = 0

    def forward(self, x):
        assert x.shape[2:] == (8, 8)
        self.tiles += 1
        return x[:, :1]


@pytest.mark.parametrize(("length", "tiles"), [(1, 1), (3, 1), (4, 4), (11, 4), (12, 9), (19, 9), (20, 16), (27, 16)])
def test_psicov_s_tiles_cover_every_protein_and_its_border(length, tiles):
    """Tiles of 8 over maps of 32: each up to the last residue and the border before it, corner by corner."""
    task = Psicov()
    task._tile = 8
    place = 1 + torch.arange(32 * 32, dtype=torch.float32).reshape(1, 1, 32, 32)
    model = Identity()
    output = task.predict(model, {"x": place, "length": torch.tensor([length])})
    side = 8 * int(tiles**0.5)
    assert side - 8 < length + 5 <= side
    covered = torch.zeros(32, 32, dtype=torch.bool)
    covered[:side, :side] = True
    assert torch.equal(output[0, 0], torch.where(covered, place[0, 0], torch.zeros(())))
    assert model.tiles == tiles


def test_psicov_s_tiles_go_as_far_as_the_longest_protein_of_the_batch():
    task, place = Psicov(), torch.ones(2, 1, 32, 32)
    task._tile = 8
    output = task.predict(Identity(), {"x": place, "length": torch.tensor([2, 20])})
    assert output[0, 0, 31, 31] == output[1, 0, 31, 31] == 1
    output = task.predict(Identity(), {"x": place, "length": torch.tensor([2, 19])})
    assert output[0, 0, 23, 23] == 1
    assert not output[:, :, 24:].any()
    assert not output[:, :, :, 24:].any()


@pytest.mark.parametrize("length", [25, 40])
def test_psicov_scores_the_first_and_the_last_pair_and_none_beyond(length):
    """Wrong predictions everywhere but at one pair: only the pairs from residue 0 to the last count."""
    truth = np.full((1, 1, 64, 64), 50, np.float32)
    pairs = [(0, 24), (length - 25, length - 1)]
    for row, column in pairs:
        truth[0, 0, 5 + row, 5 + column] = 8.0
    beyond = [(4, 28), (5 + length - 24, 5 + length), (5, 28)]
    for row, column in beyond:  # in the border, and 23 residues apart
        if truth[0, 0, row, column] != 8.0:
            truth[0, 0, row, column] = 1.0
    output = np.full((1, 1, 64, 64), 1000, np.float32)
    for row, column in pairs:
        output[0, 0, 5 + row, 5 + column], output[0, 0, 5 + column, 5 + row] = 10.0, 12.0
    (error,) = contact_errors(output, {"y": truth, "length": np.array([length])})
    assert error == pytest.approx(3.0)


def test_psicov_s_crops_hold_the_border_on_all_four_sides():
    maps = np.arange(1, 1 + 12 * 12, dtype=np.float32).reshape(1, 12, 12)
    whole = window(maps, 24, (0, 0), -1.0)
    assert whole.shape == (1, 24, 24)
    np.testing.assert_array_equal(whole[0, 5:17, 5:17], maps[0])
    outside = np.ones((24, 24), bool)
    outside[5:17, 5:17] = False
    assert (whole[0][outside] == -1).all()
    for corner in ((0, 0), (0, 6), (6, 0), (6, 6)):  # a crop of 16 of 12 + 2 * 5
        crop = window(maps, 16, corner, -1.0)
        framed = np.pad(maps[0], 5, constant_values=-1.0)
        np.testing.assert_array_equal(crop[0], framed[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16])


@pytest.mark.parametrize(("height", "width", "crop"), [(8, 8, 8), (9, 8, 8), (11, 14, 8), (256, 256, 128)])
def test_cosmic_s_crop_is_the_centre(tmp_path, height, width, crop):
    """As many pixels go before as behind, one more behind where the rest is odd; image and masks alike."""
    rows, columns = np.indices((height, width))
    planes = np.stack([1000.0 * rows + columns, rows % 2, columns % 2]).astype(np.float32)
    np.save(tmp_path / "1_1.npy", planes)
    found = read_tile(tmp_path / "1_1.npy", crop)
    top, left = (height - crop) // 2, (width - crop) // 2
    corners = found["x"][0][[0, 0, -1, -1], [0, -1, 0, -1]].tolist()
    bottom, right = top + crop - 1, left + crop - 1
    assert corners == [1000 * row + column for row in (top, bottom) for column in (left, right)]
    assert height - 1 - bottom - top in (0, 1)
    assert width - 1 - right - left in (0, 1)
    assert found["y"][0, :2, 0].tolist() == [top % 2, (top + 1) % 2]
    assert found["ignore"][0, 0, :2].tolist() == [left % 2, (left + 1) % 2]


@pytest.mark.parametrize(
    ("length", "count"), [(1, 1), (9, 1), (10, 2), (11, 3), (15, 3), (16, 4), (20, 4), (21, 5), (50, 10)]
)
def test_fsd50k_has_all_chunks_of_a_clip(length, count):
    """Of 10 samples every 5: the last one starts before the end, and is filled up by repeating what is left."""
    signal = np.arange(1, length + 1)
    found = chunks(signal, 10, 5)
    assert found.shape == (count, 10)
    if length < 10:
        assert found[0].tolist() == [signal[place % length] for place in range(10)]
        return
    for number, chunk in enumerate(found):
        rest = signal[5 * number :]
        assert chunk.tolist() == [rest[place % min(len(rest), 10)] for place in range(10)]
    assert set(found.ravel()) == set(signal.tolist())


ECG_STARTS = [
    (9, 0, []), (10, 0, []), (11, 0, [0]), (15, 0, [0]), (16, 0, [0, 5]), (15, 2, [0, 2, 4]), (11, 3, [0]),
    (13, 3, [0, 1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("length", "label", "starts"), ECG_STARTS)
def test_ecg_s_windows_up_to_the_end_of_a_record(length, label, starts):
    """Of 10 samples every 5, 2 or 1: one that would end with the last sample is left out, as published."""
    record, start = window_table(np.array([7, length]), np.array([0, label]), np.array([1]), 10, 5)
    assert start.tolist() == starts
    assert set(record.tolist()) <= {1}


def test_ecg_s_windows_do_not_reach_into_the_next_record():
    signals = [np.arange(12, dtype=np.int16), np.arange(100, 113, dtype=np.int16) ** 2]
    records = Records(signals)
    record, start = window_table(records.lengths, np.array([3, 3]), np.array([0, 1]), 10, 5)
    standardised = [(signal - signal.mean()) / signal.std() for signal in signals]
    expected = [standardised[which][first : first + 10] for which, first in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))]
    np.testing.assert_allclose(records.windows(record, start, 10), expected, rtol=1e-6)


def test_ninapro_s_windows_end_with_their_run():
    movement = np.repeat([0, 3, 3, 0], [52, 104, 103, 51])
    repetition = np.repeat([0, 1, 2, 0], [52, 104, 103, 51])
    starts = window_starts(movement, repetition)
    assert starts.tolist() == [0, 52, 104, 156]
    emg = np.arange(len(movement), dtype=np.float32)[:, None] * [1, -1]
    windows = cut_windows(emg, starts)
    assert windows[:, 0, 0].tolist() == [0, 52, 104, 156]
    assert windows[:, 1, -1].tolist() == [-51, -103, -155, -207]


@pytest.fixture
def numbers(tmp_path):
    """Splits of 5, 3 and 2 numbered samples."""
    with DatasetWriter(tmp_path / "numbers.h5", task="numbers", origin="simulated", licence="none") as writer:
        first = 0
        for name, count in (("train", 5), ("valid", 3), ("test", 2)):
            values = first + np.arange(count, dtype=np.float32)[:, None]
            writer.split(name, x=((1,), "float32"), y=((), "int64")).append(x=values, y=np.arange(count))
            first += count
    return Dataset(tmp_path / "numbers.h5")


def test_parts_and_sums_of_splits_at_their_ends(numbers):
    both = numbers.split("train", "valid")
    for start in range(8):
        for stop in range(start + 1, 9):
            part = both.subset(np.arange(start, stop), "part")
            assert len(part) == stop - start
            assert part.load("x").ravel().tolist() == list(range(start, stop))
            backwards = np.arange(stop - start)[::-1]
            assert part.read("x", backwards).ravel().tolist() == list(range(start, stop))[::-1]
            assert part.subset(np.arange(1), "first").load("x").ravel().tolist() == [start]
            assert part.nbytes == (stop - start) * 12
    assert both.read("x", np.array([7, 0, 7])).ravel().tolist() == [7, 0, 7]


def test_the_final_splits(numbers):
    train, test = numbers.final(merge_valid=True)
    assert train.load("x").ravel().tolist() == list(range(8))
    assert test.load("x").ravel().tolist() == [8, 9]
    train, test = numbers.final(merge_valid=False)
    assert train.load("x").ravel().tolist() == list(range(5))
    assert test.load("x").ravel().tolist() == [8, 9]
    train, valid = numbers.tuning()
    assert (train.load("x").ravel().tolist(), valid.load("x").ravel().tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])


@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize(
    ("batch", "sizes"), [(1, [1] * 8), (2, [2] * 4), (3, [3, 3, 2]), (7, [7]), (8, [8]), (5, [5, 3])]
)
def test_batches_at_the_end_of_an_epoch(numbers, memory, batch, sizes):
    """A single sample left over is left out in training, and never where every sample counts."""
    numbers.memory.free = memory
    loader = Loader(numbers.split("train", "valid"), batch, torch.device("cpu"))
    assert set(loader.held) == ({"x", "y"} if memory else set())
    trained = list(loader.shuffled(np.random.default_rng(0)))
    assert [len(each["x"]) for each in trained] == sizes
    assert loader.steps == len(sizes)
    drawn = sorted(int(value) for each in trained for value in each["x"])
    assert len(set(drawn)) == sum(sizes)
    ordered = [int(value) for each in loader.in_order() for value in each["x"]]
    assert ordered == list(range(8))
