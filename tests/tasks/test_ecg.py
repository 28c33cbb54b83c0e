"""ECG: splits and windows of the true records, votes and F1, real records, bad records, what the demo can learn."""

import csv
import shutil
from collections import Counter

import numpy as np
import pytest
import scipy.io
import torch
from point import Linear, final_scores, small_network
from sklearn.metrics import f1_score
from task_rooms import listed, preprocess, scores, simulate

from nasperf360.errors import DataError
from nasperf360.tasks.ecg.data import read_record, read_reference, split_records, window_table
from nasperf360.tasks.ecg.spec import LABELS

SPLITS = ("train", "valid", "test", "final_train", "final_test")


@pytest.fixture(scope="module")
def demo_raw(tmp_path_factory):
    options = {"counts": [120, 24, 72, 12], "seconds": [5, 6]}
    return simulate("ecg", tmp_path_factory.mktemp("ecg"), options)


@pytest.fixture(scope="module")
def demo(demo_raw, tmp_path_factory):
    with preprocess(
        "ecg", demo_raw, tmp_path_factory.mktemp("data") / "ecg.h5", {"window": 300, "stride": 600}
    ) as data:
        yield data


@pytest.fixture(scope="module")
def real(samples, tmp_path_factory):
    """The real records as unpacked from the archive, labels among them; and their data set."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(samples / "ecg" / "training2017", folder / "training2017")
    raw = listed("ecg", folder, [(path, "records", {}) for path in sorted((folder / "training2017").iterdir())])
    with preprocess("ecg", raw, folder / "ecg.h5", {"window": 1000, "stride": 500}) as data:
        yield raw, data


def all_records(samples):
    tables = []
    for name in ("lengths_all_8528.csv", "REFERENCE-v3_all_8528.csv"):
        with open(samples / "ecg" / name, encoding="utf-8", newline="") as stream:
            tables.append(dict(csv.reader(stream)))
    lengths, labels = tables
    assert list(lengths) == list(labels)
    return np.array([int(value) for value in lengths.values()]), np.array([LABELS.index(v) for v in labels.values()])


def test_true_records_give_the_published_window_counts(samples):
    lengths, labels = all_records(samples)
    members = split_records(len(lengths), "here")
    assert {name: len(members[name]) for name in SPLITS} == {
        "train": 6822,
        "valid": 853,
        "test": 853,
        "final_train": 7675,
        "final_test": 853,
    }
    windows = {name: len(window_table(lengths, labels, members[name], 1000, 500)[0]) for name in SPLITS}
    assert windows == {
        "train": 261_740,
        "valid": 33_281,
        "test": 33_494,
        "final_train": 296_044,
        "final_test": 32_471,
    }
    shared = [len(np.intersect1d(members["final_test"], members[name])) for name in ("valid", "test", "train")]
    assert shared == [429, 424, 0]


def test_the_final_test_says_which_records_no_search_has_seen(real):
    """Tuning validated on about half of them; none was trained on."""
    _, data = real
    assert [name for name in SPLITS if "unseen" in data.split(name).fields] == ["final_test"]
    final = data.split("final_test")
    group, unseen = final.load("group"), final.load("unseen")
    searched = set(data.split("train").load("group")) | set(data.split("valid").load("group"))
    assert unseen.tolist() == [record not in searched for record in group]
    assert 0 < unseen.mean() < 1
    assert not set(group) & set(data.split("train").load("group"))


def test_f1_of_unseen_records_is_that_of_the_rest_alone():
    rng = np.random.default_rng(2)
    group = np.sort(rng.integers(0, 80, 600))
    y, unseen = rng.integers(0, 4, 80)[group], (rng.random(80) < 0.5)[group]
    predicted = np.where(rng.random(600) < 0.4, y, rng.integers(0, 4, 600))
    truth, votes = [], []
    for record in np.unique(group[unseen]):
        truth.append(y[group == record][0])
        votes.append(Counter(predicted[group == record].tolist()).most_common(1)[0][0])
    targets = {"y": y, "group": group, "unseen": unseen.astype(np.uint8)}
    result = scores("ecg", np.eye(4, dtype=np.float32)[predicted], targets)
    assert result["f1_unseen"] == pytest.approx(f1_score(truth, votes, labels=[0, 1, 2, 3], average="macro"))
    assert result["records_unseen"] == len(truth) < result["records"]
    del targets["unseen"]  # a data set of an earlier version
    before = scores("ecg", np.eye(4, dtype=np.float32)[predicted], targets)
    assert before.items() <= result.items()
    assert result.keys() - before.keys() == {"f1_unseen", "records_unseen"}
    targets["unseen"] = np.zeros(600, np.uint8)
    none = scores("ecg", np.eye(4, dtype=np.float32)[predicted], targets)
    assert none["records_unseen"] == 0
    assert "f1_unseen" not in none


def test_windows_begin_as_in_the_reference_loop():
    lengths, labels = np.array([1000, 1001, 2600, 1500, 900, 1760]), np.array([0, 3, 2, 1, 0, 0])
    members = np.array([5, 0, 2, 4, 3, 1])
    expected = []
    for record in members:
        start = 0
        while start < lengths[record] - 1000:
            expected.append((record, start))
            start += (500, 83, 250, 25)[labels[record]]
    record, start = window_table(lengths, labels, members, 1000, 500)
    assert list(zip(record.tolist(), start.tolist(), strict=True)) == expected


def test_real_records(real):
    raw, data = real
    assert {split["fields"]["x"]["shape"][-1] for split in data.manifest["splits"].values()} == {1000}
    paths, labels = read_reference(raw)
    assert len(paths) == 150
    assert Counter(labels.tolist()) == {0: 71, 1: 26, 2: 34, 3: 19}
    members = split_records(150, "here")
    for name in ("valid", "test", "final_test"):
        split = data.split(name)
        x, y, group = (split.load(field) for field in ("x", "y", "group"))
        rows = 0
        for record in members[name]:
            signal = scipy.io.loadmat(paths[record])["val"][0].astype(np.float64)
            signal = (signal - signal.mean()) / signal.std()
            starts = range(0, len(signal) - 1000, (500, 83, 250, 25)[labels[record]])
            windows = np.stack([signal[start : start + 1000] for start in starts])
            these = slice(rows, rows + len(windows))
            assert np.array_equal(x[these, 0], windows.astype(np.float32))  # to the last bit
            assert (y[these] == labels[record]).all()
            assert (group[these] == record).all()
            rows += len(windows)
        assert rows == len(split)


def test_training_windows_are_mixed_and_complete(real):
    raw, data = real
    paths, labels = read_reference(raw)
    lengths = np.array([len(read_record(path)) for path in paths])
    expected = window_table(lengths, labels, split_records(150, "here")["train"], 1000, 500)[0]
    group = data.split("train").load("group")
    assert np.array_equal(np.sort(group), np.sort(expected))
    assert (group[1:] == group[:-1]).mean() < 0.2


def test_labels_are_found_beside_the_archive_too(demo_raw, demo):
    assert demo_raw.one("labels").relative == "REFERENCE-v3.csv"
    names = {file.relative for file in demo_raw.files}
    assert {"training2017/A00001.mat", "training2017/A00228.hea", "training2017/RECORDS"} <= names
    assert len(read_reference(demo_raw)[0]) == 228
    assert demo.split("train").shape() == (1, 300)
    assert len(np.unique(demo.final(True)[1].load("group"))) == 23


def test_simulated_records_are_matlab_4(demo_raw):
    path = demo_raw.all("records", "*.mat")[0].path
    assert path.read_bytes()[:4] == np.int32(30).tobytes()  # as the original: int16, full matrix
    values = scipy.io.loadmat(path)["val"]
    assert values.dtype == np.int16
    header = path.with_suffix(".hea").read_text().split()
    assert header[:4] == [path.stem, "1", "300", str(values.shape[1])]


def test_simulated_records_of_full_length_give_true_windows(tmp_path):
    raw = simulate("ecg", tmp_path, {"counts": [8, 4, 5, 3], "seconds": [9, 12]})
    with preprocess("ecg", raw, tmp_path / "ecg.h5", {"window": 1000, "stride": 500}) as data:
        assert all(split["fields"]["x"]["shape"] == [1, 1000] for split in data.manifest["splits"].values())
        assert np.abs(data.split("final_train").load("x")).max() < 100


def test_score_votes_per_record_and_averages_four_classes():
    rng = np.random.default_rng(1)
    group = np.sort(rng.integers(0, 60, 500))
    y = rng.integers(0, 4, 60)[group]
    predicted = np.where(rng.random(500) < 0.35, y, rng.integers(0, 4, 500))
    truth, votes = [], []
    for record in np.unique(group):
        truth.append(y[group == record][0])
        votes.append(Counter(predicted[group == record].tolist()).most_common(1)[0][0])
    expected = f1_score(truth, votes, labels=[0, 1, 2, 3], average=None)
    result = scores("ecg", np.eye(4, dtype=np.float32)[predicted], {"y": y, "group": group})
    assert result["value"] == pytest.approx(expected.mean())
    assert result["challenge"] == pytest.approx(expected[:3].mean())
    assert result["f1_noise"] == pytest.approx(expected[3])
    assert result["f1_windows"] == pytest.approx(f1_score(y, predicted, average="macro"))
    assert result["records"] == len(truth)


@pytest.mark.parametrize(("windows", "winner"), [([2, 1, 1, 2], 2), ([1, 2, 2, 1], 1), ([3, 0, 0, 3, 3], 3)])
def test_of_a_tie_the_class_seen_first_wins(windows, winner):
    targets = {"y": np.full(len(windows), winner), "group": np.zeros(len(windows), np.int64)}
    result = scores("ecg", np.eye(4, dtype=np.float32)[windows], targets)
    assert result["value"] == 0.25  # one class right, the three absent ones count 0


def records(folder, count=12, **changed):
    folder = folder / "training2017"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        values = changed.get("values", rng.integers(-500, 500, (1, 1600)).astype(np.int16)) if number == 3 else None
        values = rng.integers(-500, 500, (1, 1600)).astype(np.int16) if values is None else values
        scipy.io.savemat(folder / f"A{number:05d}.mat", {changed.get("key", "val"): values}, format="4")
    labels = [f"A{number:05d},{LABELS[number % 4]}" for number in range(count)]
    (folder / "REFERENCE-v3.csv").write_text("\n".join(changed.get("edit", list)(labels)) + "\n")
    if "truncate" in changed:
        path = folder / "A00003.mat"
        path.write_bytes(path.read_bytes()[: changed["truncate"]])
    return listed("ecg", folder.parent, [(path, "records", {}) for path in sorted(folder.iterdir())])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"truncate": 0}, "A00003.mat: holds no array"),
        ({"truncate": 15}, "A00003.mat: not a MATLAB file"),
        ({"truncate": 1501}, "A00003.mat: truncated"),
        ({"key": "signal"}, "A0000.\\.mat: holds no array 'val'"),
        ({"values": np.zeros((2, 1600), np.int16)}, "A00003.mat: 'val' is int16 of shape \\(2, 1600\\)"),
        ({"values": np.full((1, 1600), np.nan)}, "A00003.mat: 'val' is float64"),
        ({"values": np.ones((1, 1600), np.int16)}, "A00003.mat: the signal is constant"),
        ({"edit": lambda rows: [*rows[:5], "A00005,Q", *rows[6:]]}, "REFERENCE-v3.csv: line 6 is 'A00005,Q'"),
        ({"edit": lambda rows: [*rows[:5], "A00005", *rows[6:]]}, "REFERENCE-v3.csv: line 6 is 'A00005'"),
        ({"edit": lambda rows: rows[:-1]}, "REFERENCE-v3.csv: 'A00011' has a label or a .mat"),
        ({"edit": lambda rows: [*rows, "A00099,N"]}, "REFERENCE-v3.csv: 'A00099' has a label or a .mat"),
        ({"edit": lambda rows: [*rows, rows[0]]}, "REFERENCE-v3.csv: a record is listed twice"),
        ({"count": 8}, "8 records, but the splits of ecg need at least 10"),
    ],
)
def test_bad_input_gives_one_error_and_no_data_set(tmp_path, changed, fault):
    raw = records(tmp_path, **changed)
    with pytest.raises(DataError, match=fault):
        preprocess("ecg", raw, tmp_path / "data" / "ecg.h5", {})
    assert not list((tmp_path / "data").iterdir())


def test_records_shorter_than_a_window_leave_an_empty_split(tmp_path):
    with pytest.raises(DataError, match="the split 'train' is empty"):
        preprocess("ecg", records(tmp_path), tmp_path / "ecg.h5", {"window": 1600})
    assert not (tmp_path / "ecg.h5").exists()


def test_same_records_give_the_same_data_set(demo_raw, demo, tmp_path):
    with preprocess("ecg", demo_raw, tmp_path / "again.h5", {"window": 300, "stride": 600}) as again:
        assert again.manifest["sha256"] == demo.manifest["sha256"]


def test_a_network_learns_the_demo_and_a_linear_model_does_not(demo):
    torch.manual_seed(0)
    network = final_scores(demo, small_network(1, 4), 150, 0.1)["value"]
    linear = final_scores(demo, Linear(300, 4), 300, 0.02)["value"]
    truth = demo.final(True)[1].load("y")
    majority = scores("ecg", np.eye(4)[np.full(len(truth), np.bincount(truth).argmax())], demo.final(True)[1].targets())
    assert max(0.5, majority["value"] + 0.25) < network < 0.98
    assert linear < 0.4
