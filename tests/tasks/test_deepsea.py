"""DeepSEA: the bundle's three files, selection of labels and sequences, AUROC."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import yaml
from pydantic import ValidationError
from task_rooms import listed, preprocess, scores
from task_rooms import simulated as simulated_files

from nasperf360.errors import DataError, UserError
from nasperf360.seeds import generator
from nasperf360.tasks.deepsea.matlab_stream import MatlabFile
from nasperf360.tasks.deepsea.spec import COLUMNS, SPEC
from nasperf360.tasks.shared.task_training import task_training

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "train": 300, "valid": 60, "test": 80, "motifs": 4, "motif_length": 12, "copies": 6, "presence": 0.1, "noise": 0.2
}  # fmt: skip


def preprocessed(raw, path, **options):
    return preprocess("deepsea", raw, path, options)


@pytest.fixture
def simulated(tmp_path):
    return listed(
        "deepsea", tmp_path / "raw", simulated_files("deepsea", tmp_path / "raw", SMALL, generator("test", "deepsea"))
    )


def truth(raw, name):
    """Sequences (n, 4, 1000) and labels (n, 919) by other readers."""
    path = raw.one("bundle", f"{name}.mat").path
    if name == "train":
        with h5py.File(path) as file:
            return file["trainxdata"][:].transpose(2, 1, 0), file["traindata"][:].T
    arrays = scipy.io.loadmat(path)
    return arrays[f"{name}xdata"], arrays[f"{name}data"]


def test_columns_are_36_of_919_in_proportion():
    columns = np.array(COLUMNS)
    assert len(set(COLUMNS)) == 36
    groups = [(columns < 125).sum(), ((columns >= 125) & (columns < 815)).sum(), (columns >= 815).sum()]
    assert groups == [5, 27, 4]


def test_prepare_keeps_positive_sequences_and_draws_a_fraction(simulated, tmp_path):
    data = preprocessed(simulated, tmp_path / "d.h5", train_fraction=0.25)
    for name in ("valid", "test"):
        x, y = truth(simulated, name)
        kept = y[:, COLUMNS].any(axis=1)
        assert 0 < kept.sum() < len(kept)
        np.testing.assert_array_equal(data.split(name).load("x"), x[kept])
        np.testing.assert_array_equal(data.split(name).load("y"), y[kept][:, COLUMNS])
    x, y = truth(simulated, "train")
    kept = y[:, COLUMNS].any(axis=1)
    train = data.split("train")
    assert len(train) == int(0.25 * kept.sum() + 0.5)
    assert train.shape("x") == (4, 1000)
    assert train.load("x").dtype == train.load("y").dtype == np.uint8
    rows = {sequence.tobytes(): labels for sequence, labels in zip(x, y[:, COLUMNS], strict=True)}
    for sequence, labels in zip(train.load("x"), train.load("y"), strict=True):
        np.testing.assert_array_equal(rows[sequence.tobytes()], labels)
    again = preprocessed(simulated, tmp_path / "again.h5", train_fraction=0.25)
    np.testing.assert_array_equal(again.split("train").load("x"), train.load("x"))
    assert len(data.final(SPEC.merge_valid)[0]) == len(train)


def test_keep_negatives_and_central_crop(simulated, tmp_path):
    data = preprocessed(simulated, tmp_path / "d.h5", train_fraction=1.0, keep_negatives=True, length=200)
    np.testing.assert_array_equal(data.split("train").load("x"), truth(simulated, "train")[0][:, :, 400:600])
    assert data.split("train").load("x").sum(axis=1).all()


def test_second_half_is_the_reverse_complement(simulated):
    x, y = truth(simulated, "train")
    np.testing.assert_array_equal(x[150:], x[:150, ::-1, ::-1])  # A, G, C, T reversed is the complement
    np.testing.assert_array_equal(y[150:], y[:150])


def test_blocks_do_not_change_the_result(simulated, tmp_path, monkeypatch):
    whole = preprocessed(simulated, tmp_path / "whole.h5", train_fraction=0.5)
    monkeypatch.setattr("nasperf360.tasks.deepsea.data.BLOCK_BYTES", 70_000)
    parts = preprocessed(simulated, tmp_path / "parts.h5", train_fraction=0.5)
    for name in ("train", "valid", "test"):
        for field in ("x", "y"):
            np.testing.assert_array_equal(whole.split(name).load(field), parts.split(name).load(field))


def test_real_samples(samples, tmp_path):
    entry = yaml.safe_load((ROOT / "tests" / "samples" / "sources.yaml").read_text())["deepsea"]
    files = []
    for item in entry["files"]:
        path = tmp_path / item["name"]
        path.write_bytes((samples / "deepsea" / item["name"]).read_bytes())
        files.append((path, item["role"], item.get("options", {})))
    raw = listed("deepsea", tmp_path, files)
    data = preprocessed(raw, tmp_path / "d.h5", train_fraction=0.05)  # the file's own options win
    label = sorted(entry["files"][0]["options"]["columns"]).index(127)
    for name, count, positives in (("train", 110, 30), ("valid", 20, 5), ("test", 40, 10)):
        split, (x, y) = data.split(name), truth(raw, name)
        np.testing.assert_array_equal(split.load("x"), x)
        np.testing.assert_array_equal(split.load("y")[:, label], y[:, 127])
        assert (len(split), split.load("y").sum()) == (count, positives)
    outputs = np.random.default_rng(0).normal(size=(40, 36)).astype(np.float32)
    assert scores("deepsea", outputs, data.split("test").targets())["labels_scored"] == 1


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 10), (2, 2), (4, 1), (300, 4, 1000)])
def test_v5_stream_equals_scipy(tmp_path, compressed, shape):
    values = np.random.default_rng(1).integers(256, size=shape, dtype=np.uint8)
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"other": np.arange(9.0), "a": values, "last": values[:1]}, do_compression=compressed)
    with MatlabFile(path, tmp_path) as file:
        array = file.array("a", *shape[:0:-1])
        blocks = [array.block(*bounds) for bounds in array.bounds(50_000)]
        np.testing.assert_array_equal(np.concatenate(blocks, axis=-1).T, values)
        assert file.array("last", *shape[:0:-1]).shape[-1] == 1
        # A block holds a sample, however large that is.
        assert list(array.bounds(1)) == [(start, start + 1) for start in range(shape[0])]


def test_score_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(2)
    y = rng.integers(2, size=(50, 36), dtype=np.uint8)
    y[:, 3], y[:, 4] = 0, 1
    outputs = rng.normal(size=y.shape).round(1).astype(np.float32)
    expected = []
    for label in np.delete(np.arange(36), [3, 4]):
        low, high = outputs[y[:, label] == 0, label], outputs[y[:, label] == 1, label]
        pairs = high[:, None] - low
        expected.append(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    score = scores("deepsea", outputs, {"y": y})
    assert score["value"] == pytest.approx(np.mean(expected))
    assert score["labels_scored"] == 34
    with pytest.raises(DataError, match="both classes"):
        scores("deepsea", outputs[:1], {"y": y[:1]})


def _rewrite_train(path, **changes):
    with h5py.File(path) as file:
        arrays = {key: file[key][:] for key in file}
    with h5py.File(path, "w") as file:
        for key, values in {**arrays, **changes}.items():
            if values is not None:
                file[key] = values


def _rewrite_test(path, **changes):
    arrays = {key: values for key, values in scipy.io.loadmat(path).items() if key[0] != "_"}
    arrays = {key: values for key, values in {**arrays, **changes}.items() if values is not None}
    scipy.io.savemat(path, arrays, do_compression=True)


def _truncate(path, **_):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS = {
    "truncated hdf5": ("train", _truncate, {}, "truncated"),
    "truncated v5": ("test", _truncate, {}, "truncated"),
    "missing key": ("train", _rewrite_train, {"traindata": None}, "no array 'traindata'"),
    "missing key v5": ("valid", _rewrite_test, {"validxdata": None}, "no array 'validxdata'"),
    "shape": ("train", _rewrite_train, {"traindata": np.zeros((36, 300), np.uint8)}, "shape"),
    "type": ("test", _rewrite_test, {"testdata": np.zeros((80, 919))}, "expected uint8"),
    "nan": ("train", _rewrite_train, {"traindata": np.full((919, 300), np.nan)}, "expected uint8"),
    "unequal": ("test", _rewrite_test, {"testdata": np.ones((79, 919), np.uint8)}, "80 sequences"),
    "label": ("test", _rewrite_test, {"testdata": np.full((80, 919), 2, np.uint8)}, "labels 2 to 2"),
    "one-hot": ("valid", _rewrite_test, {"validxdata": np.ones((60, 4, 1000), np.uint8)}, "not one-hot"),
    "empty": ("valid", _rewrite_test, {"validdata": np.zeros((60, 919), np.uint8)}, "empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_names_the_file_and_leaves_nothing(simulated, tmp_path, fault):
    name, change, arrays, message = FAULTS[fault]
    path = simulated.one("bundle", f"{name}.mat").path
    change(path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        preprocessed(simulated, tmp_path / "data" / "d.h5")
    assert str(path) in str(caught.value)
    assert not list((tmp_path / "data").iterdir())


def test_damaged_compressed_data(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(
        path, {"a": np.random.default_rng(0).integers(9, size=(50, 4, 100), dtype=np.uint8)}, do_compression=True
    )
    raw = bytearray(path.read_bytes())
    raw[4000:4100] = bytes(100)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.mat"), MatlabFile(path, tmp_path) as file:
        file.array("a", 100, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"train_fraction": 1.5},
        {"length": 1001},
        {"columns": list(range(35))},
        {"columns": [*range(35), 34]},
        {"columns": [*range(35), 919]},
    ],
)
def test_more_than_there_is_is_refused(simulated, tmp_path, options):
    (name,) = options
    with pytest.raises(ValidationError, match=name):
        preprocessed(simulated, tmp_path / "d.h5", **options)
    # Those of the file, in the sources file, are checked as well.
    files = [(file.path, file.role, options if file.path.name == "train.mat" else {}) for file in simulated.files]
    raw = listed("deepsea", simulated.manifest.parent, files)
    sentence = rf"train\.mat: its option '{name}[.0-9]*' in the sources file: .*; change it there"
    with pytest.raises(UserError, match=sentence) as caught:
        preprocessed(raw, tmp_path / "d.h5")
    assert not isinstance(caught.value, DataError)  # the file is good, and not to be fetched again
    assert not (tmp_path / "d.h5").exists()


PEAK = """
import sys, pathlib
sys.path[:0] = [{scripts!r}]
from nasperf360.data.preprocess import preprocess
from nasperf360.data.raw import RawFiles
from nasperf360.tasks.deepsea import data
data.BLOCK_BYTES = 4 << 20
preprocess("deepsea", RawFiles.open({manifest!r}), {data!r}, {{}})
status = pathlib.Path('/proc/self/status').read_text()  # ru_maxrss would count the parent's memory too
print(status.split('VmHWM:')[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_memory_does_not_grow_with_the_files(tmp_path):
    peaks = []
    for count in (4_000, 40_000):  # 20 and 200 MB in train.mat, and in test.mat as well
        folder = tmp_path / str(count)
        options = {**SMALL, "train": count, "test": count, "motifs": 12}
        manifest = listed("deepsea", folder, simulated_files("deepsea", folder, options, generator("memory"))).manifest
        code = PEAK.format(
            scripts=str(ROOT / "workflow" / "scripts"), manifest=str(manifest), data=str(folder / "d.h5")
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout) / 1024)
    assert peaks[1] - peaks[0] < 60, peaks  # MB, while each file grew by 180


@pytest.mark.slow
def test_a_small_network_learns_what_a_linear_model_cannot(tmp_path):
    import torch
    from torch import nn

    options = yaml.safe_load((ROOT / "config" / "scales" / "demo.yaml").read_text())
    files = simulated_files("deepsea", tmp_path / "raw", options["simulate"]["deepsea"], generator("demo"))
    data = preprocessed(
        listed("deepsea", tmp_path / "raw", files), tmp_path / "d.h5", **options["preprocess"]["deepsea"]
    )
    train, test = data.final(SPEC.merge_valid)
    task, fields = task_training("deepsea"), {name: torch.from_numpy(train.load(name)) for name in ("x", "y")}

    def block(inside, outside, width):
        return [nn.Conv1d(inside, outside, width, padding="same"), nn.BatchNorm1d(outside), nn.ReLU()]

    def auroc(model):
        torch.set_num_threads(1)
        optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)
        order = torch.Generator().manual_seed(0)
        for _ in range(9):
            for rows in torch.randperm(len(train), generator=order).split(32):
                batch = {name: values[rows] for name, values in fields.items()}
                optimiser.zero_grad()
                task.loss(model(task.inputs(batch)), batch).backward()
                optimiser.step()
        model.eval()
        with torch.no_grad():
            outputs = task.predict(model, {"x": torch.from_numpy(test.load("x"))}).numpy()
        return scores("deepsea", outputs, test.targets())["value"]

    torch.manual_seed(0)
    layers = [*block(4, 16, 8), *block(16, 16, 5), *block(16, 16, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    assert 0.62 < auroc(nn.Sequential(*layers, nn.Linear(16, 36))) < 0.95
    assert auroc(nn.Sequential(nn.Flatten(), nn.Linear(800, 36))) < 0.56
