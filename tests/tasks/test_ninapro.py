"""NinaPro: windows, the drawn subset, splits, the reader on real bytes, bad input, and what the demo can learn."""

import numpy as np
import pytest
import scipy.io
import torch
from point import Linear, final_scores, small_network
from task_rooms import listed, preprocess, scores, simulate

from nasperf360.errors import DataError
from nasperf360.tasks.ninapro.data import (
    WINDOW,
    balanced_subset,
    cut_windows,
    read_emg,
    read_labels,
    window_starts,
)
from nasperf360.tasks.shared.task_training import task_training

DEMO = {"subjects": 3, "repetitions": 4, "movement_seconds": 1.1, "rest_seconds": 0.6}


@pytest.fixture(scope="module")
def demo_raw(tmp_path_factory):
    return simulate("ninapro", tmp_path_factory.mktemp("ninapro"), DEMO)


@pytest.fixture(scope="module")
def demo(demo_raw, tmp_path_factory):
    with preprocess("ninapro", demo_raw, tmp_path_factory.mktemp("data") / "ninapro.h5", {"windows": 864}) as data:
        yield data


def test_simulated_files_have_the_layout_of_db5(demo_raw):
    assert [file.relative for file in demo_raw.files] == [f"s{n}/S{n}_E2_A1.mat" for n in (1, 2, 3)]
    arrays = scipy.io.loadmat(demo_raw.files[0].path)
    length = 17 * 4 * (220 + 120)
    assert arrays["__header__"].startswith(b"MATLAB 5.0")
    assert {name: arrays[name].shape for name in ("emg", "acc", "glove", "stimulus", "restimulus", "rerepetition")} == {
        "emg": (length, 16),
        "acc": (length, 3),
        "glove": (length, 22),
        "stimulus": (length, 1),
        "restimulus": (length, 1),
        "rerepetition": (length, 1),
    }
    assert sorted(np.unique(arrays["restimulus"])) == list(range(18))
    assert sorted(np.unique(arrays["rerepetition"])) == list(range(5))
    assert arrays["emg"].min() >= -128
    assert arrays["emg"].max() <= 127


def test_demo_splits(demo):
    assert {name: part["samples"] for name, part in demo.manifest["splits"].items()} == {
        "train": 576,
        "valid": 144,
        "test": 144,
    }
    train = demo.split("train")
    assert train.shape() == (1, 16, 52)
    assert train.load("x").dtype == np.float32
    labels = np.concatenate([demo.split(name).load("y") for name in ("train", "valid", "test")])
    assert np.bincount(labels).tolist() == [48] * 18


def test_prepared_windows_are_those_of_the_recordings_and_disjoint(demo, demo_raw):
    recorded = {}
    for file in demo_raw.files:
        movement, repetition = read_labels(file.path)
        starts = window_starts(movement, repetition)
        emg = read_emg(file.path)
        for start in starts:
            recorded[emg[start : start + WINDOW].T.tobytes()] = movement[start]
    seen = set()
    for name in ("train", "valid", "test"):
        split = demo.split(name)
        for x, y in zip(split.load("x"), split.load("y"), strict=True):
            key = np.ascontiguousarray(x[0]).tobytes()
            assert recorded[key] == y
            assert key not in seen
            seen.add(key)


def test_same_raw_files_give_the_same_data_set(demo, demo_raw, tmp_path):
    with preprocess("ninapro", demo_raw, tmp_path / "again.h5", {"windows": 864}) as again:
        assert again.manifest["sha256"] == demo.manifest["sha256"]


def test_windows_stay_within_one_movement_and_repetition():
    movement = np.repeat([0, 3, 3, 0, 5], [60, 110, 51, 104, 20])
    repetition = np.repeat([0, 1, 2, 0, 1], [60, 110, 51, 104, 20])
    assert window_starts(movement, repetition).tolist() == [0, 60, 112, 221, 273]
    assert window_starts(movement[:0], repetition[:0]).tolist() == []


def test_cut_windows_puts_electrodes_first():
    emg = np.arange(200 * 16, dtype=np.float32).reshape(200, 16)
    windows = cut_windows(emg, np.array([3, 100]))
    assert windows.shape == (2, 16, 52)
    assert np.array_equal(windows[1], emg[100:152].T)


def test_the_subset_is_balanced_and_takes_small_classes_whole():
    labels = np.repeat([0, 1, 2], [1000, 10, 200])
    chosen = balanced_subset(labels, 210, np.random.default_rng(0), "raw")
    assert len(np.unique(chosen)) == 210
    assert np.bincount(labels[chosen]).tolist() == [100, 10, 100]


def test_full_size_has_the_published_sizes(tmp_path):
    options = {"subjects": 2, "repetitions": 6, "movement_seconds": 5.0, "rest_seconds": 3.0}
    raw = simulate("ninapro", tmp_path, options)
    with preprocess("ninapro", raw, tmp_path / "ninapro.h5", {"windows": 3956}) as data:
        sizes = [data.manifest["splits"][name]["samples"] for name in ("train", "valid", "test")]
        assert sizes == [2638, 659, 659]
        assert len(data.final(True)[0]) == 3297


def test_reads_a_real_recording_of_the_sister_data_set(samples):
    path = samples / "ninapro" / "NinaPro_DB1_S1_A1_E1.mat"
    movement, repetition = read_labels(path)
    emg = read_emg(path, channels=10)
    assert emg.shape == (101014, 10)
    assert emg.dtype == np.float32
    assert emg.max() == pytest.approx(4.6606)
    assert sorted(np.unique(movement)) == list(range(13))
    starts = window_starts(movement, repetition)
    windows = cut_windows(emg, starts)
    assert windows.shape[1:] == (10, 52)
    assert all(len(np.unique(movement[start : start + WINDOW])) == 1 for start in starts)
    # DB1 has 10 repetitions of 12 movements, and each lasts long enough for some windows.
    assert len({(movement[start], repetition[start]) for start in starts if movement[start]}) == 120
    with pytest.raises(DataError, match=r"'emg' has shape \(101014, 10\), expected \(101014, 16\)"):
        read_emg(path)


def test_score_is_the_error_in_percent():
    outputs = np.eye(18, dtype=np.float32)[[0, 5, 17, 3]]
    assert scores("ninapro", outputs, {"y": np.array([0, 5, 16, 2])}) == {"value": 50.0}


def test_loss_is_the_mean_cross_entropy():
    output = torch.randn(5, 18, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 17, 3, 3, 9])
    expected = -output.log_softmax(1)[torch.arange(5), y].mean()
    assert torch.isclose(task_training("ninapro").loss(output, {"y": y}), expected)


def recording(**changes):
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(18), 104)[:, None].astype(np.uint8)
    arrays = {
        "emg": rng.normal(size=(len(label), 16)),
        "restimulus": label,
        "rerepetition": (label > 0).astype(np.uint8),
    }
    return {name: value for name, value in {**arrays, **changes}.items() if value is not None}


def with_nan():
    emg = recording()["emg"]
    emg[7, 3] = np.nan
    return emg


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"emg": None}, "no array 'emg'"),
        ({"restimulus": None}, "no array 'restimulus'"),
        ({"emg": np.zeros((1872, 8))}, "expected \\(1872, 16\\)"),
        ({"emg": with_nan()}, "NaN or infinity in 'emg'"),
        ({"restimulus": np.full((1872, 1), 18, np.uint8)}, "labels 18 to 18"),
        ({"restimulus": np.full((1872, 1), -1, np.int8)}, "labels -1 to -1"),
        ({"restimulus": np.full((1872, 1), -1e9)}, "no small whole numbers"),
        ({"rerepetition": np.zeros((5, 1), np.uint8)}, "5 in 'rerepetition'"),
    ],
)
def test_bad_recording_gives_one_error_and_no_data_set(tmp_path, changes, fault):
    path = tmp_path / "S1_E2_A1.mat"
    scipy.io.savemat(path, recording(**changes))
    raw = listed("ninapro", tmp_path, [(path, "recordings", {})])
    with pytest.raises(DataError, match=f"S1_E2_A1.mat.*{fault}"):
        preprocess("ninapro", raw, tmp_path / "data" / "ninapro.h5", {"windows": 36})
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_truncated_recording_gives_one_error_and_no_data_set(tmp_path, kept):
    path = tmp_path / "S1_E2_A1.mat"
    scipy.io.savemat(path, recording(), do_compression=True)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    raw = listed("ninapro", tmp_path, [(path, "recordings", {})])
    with pytest.raises(DataError, match=r"S1_E2_A1\.mat"):
        preprocess("ninapro", raw, tmp_path / "data" / "ninapro.h5", {"windows": 36})
    assert not list((tmp_path / "data").iterdir())


def test_too_few_windows_and_empty_splits_are_refused(tmp_path):
    path = tmp_path / "S1_E2_A1.mat"
    scipy.io.savemat(path, recording())
    raw = listed("ninapro", tmp_path, [(path, "recordings", {})])
    with pytest.raises(DataError, match=r"36 windows in the recordings, but preprocess.ninapro.windows asks for 37"):
        preprocess("ninapro", raw, tmp_path / "ninapro.h5", {"windows": 37})
    with pytest.raises(DataError, match="the split 'valid' is empty"):
        preprocess("ninapro", raw, tmp_path / "ninapro.h5", {"windows": 5})
    assert not (tmp_path / "ninapro.h5").exists()


def test_a_network_learns_the_demo_and_a_linear_model_does_not(demo):
    torch.manual_seed(0)
    network = final_scores(demo, small_network(2, 18), 120, 0.05)["value"]
    linear = final_scores(demo, Linear(16 * 52, 18), 300, 0.02)["value"]
    assert 5 < network < 65  # chance: 94.4
    assert linear > 80
