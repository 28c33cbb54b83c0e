import pickle
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from dense import Constant, evaluate, tensors, train
from pydantic import ValidationError
from task_rooms import listed, preprocess, scores, simulate
from torch import nn

from nasperf360.data import true_size
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.true_size import store_true_size
from nasperf360.errors import DataError, UserError
from nasperf360.tasks.psicov import proteins
from nasperf360.tasks.psicov.contacts import long_range_contacts
from nasperf360.tasks.psicov.data import window
from nasperf360.tasks.shared.task_training import task_training

DEMO = {"deepcov": 96, "psicov": 16, "length": [40, 54]}
SIZES = {"crop": 32, "test_size": 64, "valid": 16}
SMALL = {"deepcov": 4, "psicov": 2, "length": [36, 40]}
SMALL_SIZES = {"crop": 24, "test_size": 72, "valid": 1}


def relist(raw):
    """The same files, listed again after a change."""
    return listed(
        "psicov", raw.manifest.parent, [(file.path, file.role, {}) for file in raw.files if file.path.exists()]
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("psicov")
    return preprocess("psicov", simulate("psicov", folder / "raw", DEMO, "test"), folder / "psicov.h5", SIZES)


@pytest.fixture
def small(tmp_path):
    return simulate("psicov", tmp_path / "raw", SMALL, "test")


def path_of(raw, ending):
    return next(file.path for file in raw.files if file.relative.endswith(ending))


# -- reader


def test_round_trip(demo):
    assert [len(demo.split(name)) for name in ("train", "valid", "test")] == [80, 16, 16]
    assert demo.split("train").fields == ["x", "y"]
    assert (demo.split("train").shape("x"), demo.split("train").shape("y")) == ((57, 32, 32), (1, 32, 32))
    test = demo.split("test")
    assert test.fields == ["length", "x", "y"]
    assert (test.shape("x"), test.shape("y")) == ((57, 64, 64), (1, 64, 64))
    assert demo.split("train").load("y").max() == 16
    assert test.load("y").max() == 100
    contacts = [long_range_contacts(y[0, 5:-5, 5:-5]).sum() for y in test.load("y")]
    assert np.mean(np.array(contacts) > 0) > 0.7


def test_simulation_repeats_and_looks_like_the_original(small, tmp_path, samples):
    again = simulate("psicov", tmp_path / "again", SMALL, "test")
    assert [file.sha256 for file in small.files] == [file.sha256 for file in again.files]
    ours = proteins.read_distances(path_of(small, "-cb.npy"), len(small_sequence(small)))
    theirs = proteins.read_distances(samples / "psicov" / "psicov" / "distance" / "1guuA-cb.npy", 50)
    for first, second in ((np.diag(ours, 1), np.diag(theirs, 1)), (ours, theirs)):
        assert np.median(first) == pytest.approx(np.median(second), rel=0.35)
    assert np.diag(ours, 2).min() > 3.5


def small_sequence(raw):
    return pickle.loads(path_of(raw, ".pkl").read_bytes())["seq"]


def test_validation_is_the_head_of_the_list(small, tmp_path):
    """Facts: the first 100 of 3,456 validate, 3,356 train; here the first 1 of 4."""
    lists = path_of(small, "deepcov.lst")
    ids = lists.read_text().split()
    lists.write_text("\n".join(f"{name} {40 + k} more words" for k, name in enumerate(reversed(ids))))
    with preprocess("psicov", relist(small), tmp_path / "psicov.h5", SMALL_SIZES) as data:
        assert (len(data.split("train")), len(data.split("valid"))) == (3, 1)
        protein = proteins.read_protein(path_of(small, f"{ids[-1]}.pkl"), path_of(small, f"{ids[-1]}-cb.npy"))
        whole = np.pad(proteins.feature_maps(protein), ((0, 0), (5, 5), (5, 5)))
        x = data.split("valid").load("x")[0]
        size = len(protein) + 10 - 24 + 1
        found = [
            (r, c) for r in range(size) for c in range(size) if np.array_equal(whole[:, r : r + 24, c : c + 24], x)
        ]
        assert len(found) == 1  # some crop of that protein, and the same in y
        (row, column) = found[0]
        y = np.pad(proteins.smooth_distances(protein.distances), 5, constant_values=100).clip(max=16)
        np.testing.assert_array_equal(data.split("valid").load("y")[0, 0], y[row : row + 24, column : column + 24])


def test_channels_in_the_published_order():
    length = 6
    rng = np.random.default_rng(0)
    profiles, pairs = rng.random((27, length), dtype=np.float32), rng.random((3, length, length), dtype=np.float32)
    maps = proteins.feature_maps(proteins.Protein(profiles, pairs, np.ones((length, length), np.float32)))
    expected = []
    for vector in profiles:
        tiled = np.repeat(vector.reshape(1, -1), length, axis=0)
        expected += [tiled, tiled.T]
    np.testing.assert_array_equal(maps, np.stack([*expected, *pairs]))
    assert len(maps) == 57


def test_diagonal_and_floor():
    distances = np.array([[0, 0.5, 9], [0.5, 0, 4], [9, 4, 0]], np.float32)
    np.testing.assert_array_equal(proteins.smooth_distances(distances), [[1, 1, 9], [1, 2.5, 4], [9, 4, 4]])


def test_windows():
    maps = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3)
    np.testing.assert_array_equal(window(maps, 16, (0, 0), 7)[0], np.pad(maps[0], (5, 8), constant_values=7))
    padded = np.pad(maps[0], 5, constant_values=7)
    for corner in ((0, 0), (3, 6), (9, 2), (9, 9), (5, 0)):
        expected = padded[corner[0] : corner[0] + 4, corner[1] : corner[1] + 4]
        np.testing.assert_array_equal(window(maps, 4, corner, 7)[0], expected)


@pytest.fixture
def real(samples, tmp_path):
    """The real protein 1guuA as every split, and a second name for it in the training list."""
    source, folder = samples / "psicov" / "psicov", tmp_path / "real"
    files = []
    for group, names in (("deepcov", ("1guuA", "2guuA")), ("psicov", ("1guuA",))):
        for kind, ending in (("features", ".pkl"), ("distance", "-cb.npy")):
            (folder / group / kind).mkdir(parents=True)
            for name in names:
                path = folder / group / kind / (name + ending)
                path.write_bytes((source / kind / f"1guuA{ending}").read_bytes())
                files.append((path, "proteins", {}))
        (folder / f"{group}.lst").write_text("\n".join(names))
        files.append((folder / f"{group}.lst", "proteins", {}))
    return listed("psicov", folder, files)


def test_real_protein_at_true_shape(real, tmp_path):
    with preprocess("psicov", real, tmp_path / "psicov.h5", {"crop": 128, "test_size": 512, "valid": 1}) as data:
        train_split, test = data.split("train"), data.split("test")
        assert (train_split.shape("x"), test.shape("x")) == ((57, 128, 128), (57, 512, 512))
        x, y = train_split.load("x")[0], train_split.load("y")[0, 0]
        content = pickle.loads(path_of(real, "psicov/features/1guuA.pkl").read_bytes())
        np.testing.assert_array_equal(x[50, 5:55, 5], np.repeat(np.float32(content["sa"][0]), 50))
        np.testing.assert_array_equal(x[54, 5:55, 5:55], content["ccmpred"].astype(np.float32))
        assert not x[:, 55:].any()
        assert (y[55:] == 16).all()
        assert y[5, 6] == pytest.approx(5.973, abs=0.01)
        assert test.load("length").tolist() == [50]
        assert (test.load("y")[0, 0, 55:] == 100).all()


def test_test_maps_take_the_disk_of_their_protein_and_read_as_if_padded(real, tmp_path, monkeypatch):
    sizes = {"crop": 128, "test_size": 512, "valid": 1}
    with monkeypatch.context() as patched:
        patched.setattr(true_size, "TILE", 512)  # where all of a map is one tile, all of it is stored
        whole = preprocess("psicov", real, tmp_path / "whole.h5", sizes)
    data = preprocess("psicov", real, tmp_path / "psicov.h5", sizes)
    with whole, data:
        for field in ("x", "y"):
            assert data.split("test").load(field).tobytes() == whole.split("test").load(field).tobytes()
        assert data.manifest["splits"] == whole.manifest["splits"]
        data.verify()
        # 50 residues and 5 on each side are one tile of 64 x 64 of the 512 x 512.
        (group,) = data.split("test").groups
        assert group["x"].id.get_storage_size() == 57 * 64 * 64 * 4
        assert group["y"].id.get_storage_size() == 64 * 64 * 4
        saved = whole.path.stat().st_size - data.path.stat().st_size
        assert saved > 0.95 * 58 * (512**2 - 64**2) * 4


@pytest.mark.parametrize("size", [1, 63, 64, 65, 100, 130])
def test_any_map_reads_as_it_was_written(tmp_path, size):
    rng, maps = np.random.default_rng(size), np.full((3, 2, 130, 130), 7, np.float32)
    for number, map_ in enumerate(maps[:2]):
        map_[:, :size, : size - number] = rng.normal(size=(2, size, size - number))
    maps[1, 0, 0, 0] = -0.0  # the third is all padding
    with DatasetWriter(tmp_path / "a.h5", task="a", origin="simulated", licence="none", parameters={}) as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((2, 130, 130), "float32"), y=((), "int64"))
            store_true_size(split, x=7.0)
            split.append(x=maps[:1], y=np.zeros(1, np.int64))
            split.append(x=maps[1:], y=np.zeros(2, np.int64))
    with Dataset(tmp_path / "a.h5") as data:
        data.verify()
        for name in ("train", "test"):
            assert data.split(name).load("x").tobytes() == maps.tobytes()
        assert data.split("train").read("x", np.array([2, 0])).tobytes() == maps[[2, 0]].tobytes()


def test_real_maps_have_contacts(samples):
    """Of 24 real maps all parse, and most have long-range contacts."""
    contacts = []
    for path in sorted((samples / "psicov" / "psicov" / "distance").glob("*.npy")):
        length = int(np.load(path, allow_pickle=True)[0])
        contacts.append(long_range_contacts(proteins.smooth_distances(proteins.read_distances(path, length))).sum())
    assert len(contacts) == 24
    assert np.mean(np.array(contacts) > 20) > 0.9


def test_entropy_as_strings(small, tmp_path):
    path = path_of(small, ".pkl")
    content = pickle.loads(path.read_bytes())
    before = proteins.read_features(path)[0]
    content["entropy"] = np.array([f"{float(value):.4f}" for value in content["entropy"]])
    path.write_bytes(pickle.dumps(content))
    np.testing.assert_allclose(proteins.read_features(path)[0], before, atol=1e-3)


class Hostile:
    def __reduce__(self):
        return print, ("run",)


def test_bad_input(small, tmp_path, capsys):
    test_ids = path_of(small, "psicov.lst").read_text().split()
    features, distance = (f"psicov/features/{test_ids[0]}.pkl", f"psicov/distance/{test_ids[0]}-cb.npy")

    def change(key, value):
        def apply(path):
            content = pickle.loads(path.read_bytes())
            if value is None:
                del content[key]
            else:
                content[key] = value(content[key])
            path.write_bytes(pickle.dumps(content))

        return apply

    def with_nan(values):
        values = values.copy()
        values.flat[3] = np.nan
        return values

    def change_map(value):
        def apply(path):
            content = np.load(path, allow_pickle=True)
            content[2] = value(content[2])
            np.save(path, content, allow_pickle=True)

        return apply

    def truncate(path):
        path.write_bytes(path.read_bytes()[:-500])

    cases = [
        (features, change("freecon", None), "no feature 'freecon'"),
        (features, change("seq", lambda s: s[:-1]), "'ss' has shape"),
        (features, change("pssm", lambda v: v[:, :21]), "'pssm' has shape"),
        (features, change("sa", with_nan), "'sa' holds NaN"),
        (features, change("ccmpred", lambda v: v + np.float16(200)), "'ccmpred' holds NaN or values beyond 100"),
        (features, change("ccmpred", lambda v: v - np.float16(200)), "'ccmpred' holds NaN or values beyond 100"),
        (features, change("entropy", lambda v: ["x"] * len(v)), "'entropy' does not hold numbers"),
        (features, truncate, "not a readable pickle"),
        (features, lambda path: path.write_bytes(pickle.dumps(Hostile())), "asks for builtins.print"),
        (features, lambda path: path.write_bytes(pickle.dumps([1])), "no dictionary of features"),
        (features, lambda path: path.unlink(), r"psicov\.lst: names a protein without a file psicov/features"),
        (distance, change_map(with_nan), "NaN or a distance beyond"),
        (distance, change_map(lambda v: v[1:]), "distances of shape"),
        (distance, truncate, "not a readable pickle"),
        (distance, lambda path: path.write_bytes(path.read_bytes()[:20]), "it is truncated"),
        (distance, lambda path: path.write_bytes(path.read_bytes()[1:]), "cannot be read as an array"),
        (distance, lambda path: np.save(path, np.array([1, 2, 3.5])), "expected three objects|truncated"),
        ("psicov.lst", lambda path: path.write_text("\n"), "no protein"),
        ("psicov.lst", lambda path: path.write_text(f"{test_ids[0]}\n" * 2), "listed twice"),
    ]
    for index, (name, damage, message) in enumerate(cases):
        folder = tmp_path / str(index)
        shutil.copytree(small.manifest.parent, folder)
        raw = listed("psicov", folder, [(folder / file.relative, file.role, {}) for file in small.files])
        damage(folder / name)
        with pytest.raises(DataError, match=message) as error:
            preprocess("psicov", relist(raw), tmp_path / "psicov.h5", SMALL_SIZES)
        assert name in str(error.value)
        assert not list(tmp_path.glob("*.h5*"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"test_size": 40}, "do not fit test_size 40; raise preprocess.psicov.test_size"),
        ({"valid": 4}, r"deepcov\.lst: 4 proteins, and preprocess.psicov.valid takes 4 to validate, .*; lower it"),
    ],
)
def test_sizes_that_do_not_fit(small, tmp_path, sizes, message):
    with pytest.raises(UserError, match=message) as caught:
        preprocess("psicov", small, tmp_path / "psicov.h5", {**SMALL_SIZES, **sizes})
    assert not isinstance(caught.value, DataError)  # the files are good, and not to be fetched again
    assert not list(tmp_path.glob("*.h5*"))


def test_some_protein_must_validate(small, tmp_path):
    with pytest.raises(ValidationError, match="valid"):
        preprocess("psicov", small, tmp_path / "psicov.h5", {**SMALL_SIZES, "valid": 0})


def test_proteins_without_long_range_contacts(tmp_path):
    raw = simulate("psicov", tmp_path / "raw", {**SMALL, "length": [20, 22]}, "test")
    with pytest.raises(DataError, match=r"psicov\.lst: no protein has two residues 24 apart"):
        preprocess("psicov", raw, tmp_path / "psicov.h5", SMALL_SIZES)


def test_memory_does_not_grow_with_the_number_of_proteins(tmp_path):
    """At true crop size: 8 and 48 training proteins, 30 MB and 180 MB of HDF5."""
    peaks = []
    for count in (8, 48):
        raw = simulate(
            "psicov", tmp_path / str(count), {"deepcov": count, "psicov": count // 4, "length": [60, 60]}, "test"
        )
        tracemalloc.start()
        preprocess("psicov", raw, tmp_path / f"{count}.h5", {"crop": 128, "test_size": 128, "valid": 2})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        (tmp_path / f"{count}.h5").unlink()
    assert peaks[1] < peaks[0] + 2**20
    assert peaks[1] < 64 * 2**20


# -- evaluation


def test_score():
    rng = np.random.default_rng(0)
    lengths = np.array([30, 33, 20], np.int32)
    y = rng.uniform(2, 30, (3, 1, 48, 48)).astype(np.float32)
    y = np.minimum(y, y.swapaxes(2, 3))
    outputs = rng.uniform(-5, 20, y.shape).astype(np.float32)
    errors = []
    for output, truth, length in zip(outputs[:, 0], y[:, 0], lengths, strict=True):
        found = []
        for row in range(5, 5 + length):
            for column in range(row + 24, 5 + length):
                if truth[row, column] <= 8:
                    predicted = max(0.01, (output[row, column] + output[column, row]) / 2)
                    found.append(abs(predicted - truth[row, column]))
        if found:
            errors.append(np.mean(found))
    score = scores("psicov", outputs, {"y": y, "length": lengths})
    assert score["value"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert score["proteins"] == len(errors) == 2
    crops = scores("psicov", outputs, {"y": y})
    assert crops["value"] == pytest.approx(np.abs(outputs - y).mean(), rel=1e-5)
    with pytest.raises(DataError, match="no long-range contact"):
        scores("psicov", outputs[2:], {"y": y[2:], "length": lengths[2:]})


def test_tiles(demo):
    """A pixelwise model predicts the same in tiles, each as large as a crop; tiles beyond the protein are skipped."""
    task = task_training("psicov")
    task.fit(demo.split("train"))
    batch = tensors(demo.split("test"), slice(0, 2))
    seen = []

    def model(x):
        seen.append(tuple(x.shape))
        return x[:, 54:55] + 1

    np.testing.assert_array_equal(task.predict(model, batch), batch["x"][:, 54:55] + 1)
    assert seen == [(2, 57, 32, 32)] * 4
    seen.clear()
    output = task.predict(model, {**batch, "length": torch.tensor([10, 27])})
    assert seen == [(2, 57, 32, 32)]
    assert not output[:, :, 32:].any()


def test_loss_is_the_mean_squared_error(demo):
    batch = tensors(demo.split("train"), slice(0, 3))
    output = torch.full_like(batch["y"], 3.0)
    expected = ((3.0 - batch["y"].numpy()) ** 2).mean()
    assert float(task_training("psicov").loss(output, batch)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
def test_learnable(demo):
    """The constant is the mean training target, the best that the loss allows a constant."""
    task = task_training("psicov")
    model: nn.Module = train(task, demo.split("train"), steps=120)
    value = evaluate(task, model, demo.split("test"))["value"]
    constant = evaluate(task, Constant(float(demo.split("train").load("y").mean())), demo.split("test"))["value"]
    assert 0.3 < value < 0.75 * constant
