"""Satellite: standardised series, the validation rule, real rows, bad rows, bounded memory, what the demo can learn."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from point import Linear, final_scores, small_network
from task_rooms import listed, preprocess, simulate

from nasperf360.errors import DataError
from nasperf360.seeds import generator
from nasperf360.tasks.satellite import simulator
from nasperf360.tasks.satellite.data import count_rows, read_series, standardise

FOLD = "SITS_2006_NDVI_C/SITS1M_fold1/SITS1M_fold1_"


@pytest.fixture(scope="module")
def demo_raw(tmp_path_factory):
    return simulate("satellite", tmp_path_factory.mktemp("satellite"), {"train": 1440, "test": 360})


@pytest.fixture(scope="module")
def demo(demo_raw, tmp_path_factory):
    with preprocess("satellite", demo_raw, tmp_path_factory.mktemp("data") / "satellite.h5", {}) as data:
        yield data


def sizes(data):
    return {name: part["samples"] for name, part in data.manifest["splits"].items()}


def test_demo_splits(demo, demo_raw):
    assert [file.relative for file in demo_raw.files] == [f"{FOLD}TEST.csv", f"{FOLD}TRAIN.csv"]
    assert sizes(demo) == {"train": 1080, "valid": 360, "test": 360}
    train = demo.split("train")
    assert train.shape() == (1, 46)
    assert train.load("x").dtype == np.float32
    assert sorted(np.unique(train.load("y"))) == list(range(24))
    assert len(demo.final(True)[0]) == 1440


def test_an_index_of_vegetation_is_at_most_one():
    """Of so many series some would be larger, by their noise."""
    labels = generator("labels").integers(24, size=20_000)
    assert simulator._series(labels, generator("series")).max() == 1.0


def test_real_rows_keep_their_order_and_are_standardised(samples, tmp_path):
    folder = samples / "satellite"
    expected = {role: np.loadtxt(folder / f"{FOLD}{role.upper()}.csv", delimiter=",") for role in ("train", "test")}
    for role in expected:
        (tmp_path / f"{role}.csv").write_bytes((folder / f"{FOLD}{role.upper()}.csv").read_bytes())
    raw = listed("satellite", tmp_path, [(tmp_path / f"{role}.csv", role, {}) for role in expected])
    with preprocess("satellite", raw, tmp_path / "satellite.h5", {}) as data:
        assert sizes(data) == {"train": 960, "valid": 480, "test": 480}
        final_train, test = data.final(True)
        for split, rows in ((final_train, expected["train"]), (test, expected["test"])):
            assert np.array_equal(split.load("y"), rows[:, 0] - 1)
            x = split.load("x")[:, 0].astype(np.float64)
            assert np.abs(x.mean(axis=1)).max() < 1e-5
            assert np.abs(x.std(axis=1) - 1).max() < 1e-5
            spread = rows[:, 1:].std(axis=1, keepdims=True)
            assert np.abs(x * spread + rows[:, 1:].mean(axis=1, keepdims=True) - rows[:, 1:]).max() < 1e-6
        assert np.array_equal(data.split("valid").load("y"), expected["train"][-480:, 0] - 1)


def test_the_split_follows_the_published_rule_across_read_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("nasperf360.tasks.satellite.data.ROWS", 7)
    raw = simulate("satellite", tmp_path, {"train": 90, "test": 10})
    with preprocess("satellite", raw, tmp_path / "satellite.h5", {}) as data:
        assert sizes(data) == {"train": 80, "valid": 10, "test": 10}  # 800,000 / 100,000 / 100,000 of the million
        labels = np.loadtxt(raw.one("train").path, delimiter=",")[:, 0] - 1
        assert np.array_equal(data.split("train").load("y"), labels[:80])
        assert np.array_equal(data.split("valid").load("y"), labels[80:])


def test_a_constant_series_becomes_zeros():
    series = np.array([[0.1] * 46, list(range(46))], dtype=np.float64)
    result = standardise(series)
    assert result.dtype == np.float32
    assert not result[0].any()
    assert result[1].std() == pytest.approx(1.0)


def good_rows(count):
    rng = np.random.default_rng(0)
    return [",".join([str(1 + i % 24), *(f"{value:.3f}" for value in rng.random(46))]) for i in range(count)]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (lambda row: row[: len(row) // 2], "row 5 is truncated"),
        (lambda row: row + ",0.5", "cannot be read as csv"),
        (lambda row: row.replace("0.", "x.", 1), "cannot be read as csv"),
        (lambda row: row[: row.rindex(",")] + ",nan", "row 5 is truncated, or holds NaN"),
        (lambda row: row[: row.rindex(",")] + ",inf", "row 5 is truncated, or holds NaN"),
        (lambda row: "2.5" + row[row.index(",") :], "no whole number"),
        (lambda row: "-1e300" + row[row.index(",") :], "no whole number"),
        (lambda row: "0" + row[row.index(",") :], "labels -1 to 23, allowed are 0 to 23"),
        (lambda row: "25" + row[row.index(",") :], "labels 0 to 24, allowed are 0 to 23"),
    ],
)
def test_a_bad_row_gives_one_error_and_no_data_set(tmp_path, row, fault):
    rows = good_rows(48)
    (tmp_path / "TEST.csv").write_text("\n".join(rows[:24]) + "\n")
    rows[4] = row(rows[4])
    (tmp_path / "TRAIN.csv").write_text("\n".join(rows) + "\n")
    raw = listed("satellite", tmp_path, [(tmp_path / f"{role.upper()}.csv", role, {}) for role in ("train", "test")])
    with pytest.raises(DataError, match=f"TRAIN.csv.*{fault}"):
        preprocess("satellite", raw, tmp_path / "data" / "satellite.h5", {})
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "no more rows than"),
        ("1,0.5,0.5\n" * 48, "rows of 3 values, expected a label and 46 values"),
        ("\n".join(good_rows(24)), "no more rows than"),
    ],
)
def test_a_bad_training_file_gives_one_error_and_no_data_set(tmp_path, content, fault):
    (tmp_path / "TEST.csv").write_text("\n".join(good_rows(24)) + "\n")
    (tmp_path / "TRAIN.csv").write_text(content)
    raw = listed("satellite", tmp_path, [(tmp_path / f"{role.upper()}.csv", role, {}) for role in ("train", "test")])
    with pytest.raises(DataError, match=f"TRAIN.csv.*{fault}"):
        preprocess("satellite", raw, tmp_path / "data" / "satellite.h5", {})
    assert not list((tmp_path / "data").iterdir())


def test_an_empty_test_file_gives_one_error(tmp_path):
    (tmp_path / "TEST.csv").write_text("")
    (tmp_path / "TRAIN.csv").write_text("\n".join(good_rows(24)) + "\n")
    raw = listed("satellite", tmp_path, [(tmp_path / f"{role.upper()}.csv", role, {}) for role in ("train", "test")])
    with pytest.raises(DataError, match=r"TEST.csv: cannot be read as csv"):
        preprocess("satellite", raw, tmp_path / "satellite.h5", {})
    assert not (tmp_path / "satellite.h5").exists()


def test_rows_are_counted_with_and_without_a_last_newline(tmp_path):
    for content in ("1,2\n3,4\n", "1,2\n3,4", "1,2\r\n\r\n3,4\r\n"):
        (tmp_path / "rows.csv").write_text(content, newline="")
        assert count_rows(tmp_path / "rows.csv") == 2


def test_reads_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("nasperf360.tasks.satellite.data.ROWS", 10)
    (tmp_path / "rows.csv").write_text("\n".join(good_rows(25)) + "\n")
    assert [len(labels) for labels, _ in read_series(tmp_path / "rows.csv")] == [10, 10, 5]


@pytest.mark.slow
def test_memory_stays_bounded_while_the_file_grows(tmp_path):
    program = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from task_rooms import preprocess
from nasperf360.data.raw import RawFiles
folder = Path(sys.argv[1])
preprocess("satellite", RawFiles.open(folder / "files.json"), Path(sys.argv[2]), {})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for train in (30_000, 120_000):
        folder = tmp_path / str(train)
        folder.mkdir()
        simulate("satellite", folder, {"train": train, "test": 2_000})
        here = Path(__file__).parent
        paths = [str(here), str(here.parents[1] / "workflow" / "scripts")]
        command = [sys.executable, "-c", program, str(folder), str(folder / "satellite.h5"), *paths]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    # 90,000 more rows are 33 MB as float64: reading them all would show.
    assert peaks[1] - peaks[0] < 15_000  # KiB


def test_a_network_learns_the_demo_and_a_linear_model_does_not(demo):
    torch.manual_seed(0)
    network = final_scores(demo, small_network(1, 24), 150, 0.1)["value"]
    linear = final_scores(demo, Linear(46, 24), 300, 0.02)["value"]
    assert 5 < network < 65  # the commonest class: about 88
    assert linear > 70
