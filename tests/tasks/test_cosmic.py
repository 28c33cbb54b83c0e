import tracemalloc

import numpy as np
import pytest
import torch
from dense import Constant, evaluate, tensors, train
from task_rooms import listed, preprocess, scores, simulate

from nasperf360.errors import DataError, UserError
from nasperf360.tasks.cosmic.spec import GALAXIES
from nasperf360.tasks.shared.task_training import task_training

DEMO = {"train": 200, "test": 54, "tile": 48}
CROP = {"crop": 32}


def tile(side=12, planes=3, seed=0):
    rng = np.random.default_rng(seed)
    array = rng.random((planes, side, side)).astype(np.float32) * 100
    array[1:] = array[1:] > 90
    array[1, side // 2, side // 2] = 1
    return array


def write(folder, tiles):
    """Raw files from {relative path: array}."""
    files = []
    for relative, array in tiles.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
        files.append((path, "train" if relative.startswith("npy_train") else "test", {}))
    return listed("cosmic", folder, files)


def small():
    tiles = {f"npy_train/f435w/10760/2/1_{k}.npy": tile(seed=k) for k in range(10)}
    return tiles | {"npy_test/f435w/10760/4/2_0.npy": tile(seed=99)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cosmic")
    return preprocess("cosmic", simulate("cosmic", folder / "raw", DEMO, "test"), folder / "cosmic.h5", CROP)


def test_round_trip(demo):
    assert [len(demo.split(name)) for name in ("train", "valid", "test")] == [180, 20, 54]
    train_split = demo.split("train")
    assert {field: train_split.shape(field) for field in train_split.fields} == {
        "x": (1, 32, 32),
        "y": (1, 32, 32),
        "ignore": (1, 32, 32),
        "sky": (),
    }
    assert train_split.load("y").dtype == train_split.load("ignore").dtype == np.uint8
    assert train_split.load("x").dtype == train_split.load("sky").dtype == np.float32
    assert 0.005 < train_split.load("y").mean() < 0.1
    assert (train_split.load("sky") >= 10).all()


def test_simulation_repeats(tmp_path):
    first, second = (simulate("cosmic", tmp_path / name, {"train": 18, "test": 9, "tile": 24}, "test") for name in "ab")
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    assert {"_".join(file.relative.split("/")[2:4]) for file in first.files} == set(GALAXIES)


def test_wide_rays_are_the_thin_ones_with_the_pixels_beside_them(tmp_path):
    """Below and to the right of each; all else of a tile, the noise too, is as before."""
    made = {}
    for width in (1, 3):
        raw = simulate(
            "cosmic", tmp_path / str(width), {"train": 18, "test": 9, "tile": 24, "ray_width": width}, "test"
        )
        made[width] = np.stack([np.load(file.path) for file in raw.files if file.path.name != "sky.npy"])
    thin, wide = made[1], made[3]
    hit = np.zeros_like(thin[:, 1])
    for down, right in np.ndindex(3, 3):
        hit[:, down:, right:] = np.maximum(hit[:, down:, right:], thin[:, 1, : 24 - down, : 24 - right])
    # But where the light beside a faint ray is noisier, or less so.
    assert (hit == wide[:, 1]).mean() > 0.98
    assert 1.5 < wide[:, 1].mean() / thin[:, 1].mean() < 9
    untouched = (wide[:, 1] == 0) & (thin[:, 1] == 0) & (hit == 0)
    assert np.mean(thin[:, 0][untouched] == wide[:, 0][untouched]) > 0.9
    assert np.array_equal(thin[:, 2], wide[:, 2])


def test_published_split_sizes():
    """Facts: 4,830 training tiles make 4,347 + 483."""
    assert 4830 * 9 // 10 == 4347


def test_crop_planes_and_sky(tmp_path):
    tiles = small()
    tiles["npy_train/f435w/10760/2/3_0.npy"] = tile(planes=2, seed=50)
    tiles["npy_train/f435w/10760/2/sky.npy"] = np.array([11.0, 12.0, 13.0])
    raw = write(tmp_path / "raw", tiles)
    with preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 8}) as data:
        train_split, valid, test = (data.split(name) for name in ("train", "valid", "test"))
        assert (len(train_split), len(valid), len(test)) == (9, 2, 1)  # 11 * 0.9, by path
        np.testing.assert_array_equal(
            train_split.load("x")[3, 0], tiles["npy_train/f435w/10760/2/1_3.npy"][0, 2:10, 2:10]
        )
        np.testing.assert_array_equal(
            train_split.load("ignore")[3, 0], tiles["npy_train/f435w/10760/2/1_3.npy"][2, 2:10, 2:10]
        )
        assert valid.load("sky").tolist() == [11, 13]
        assert not valid.load("ignore")[1].any()
        assert test.load("sky").tolist() == [0]  # no sky.npy in that visit


def test_only_galaxies_in_the_blue_filter(tmp_path):
    tiles = small()
    tiles["npy_train/f435w/99999/1/1_0.npy"] = tile()  # another kind of field
    tiles["npy_train/f606w/10760/2/1_0.npy"] = tile()
    raw = write(tmp_path / "raw", tiles)
    with preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 8}) as data:
        assert len(data.split("train", "valid")) == 10


def test_real_tiles(samples, tmp_path):
    """True shape: 128 x 128 of 256 x 256. The same four tiles stand in for the test set."""
    source = samples / "cosmic" / "npy_train" / "f435w" / "10760" / "2"
    files = []
    for role in ("train", "test"):
        folder = tmp_path / f"npy_{role}" / "f435w" / "10760"
        folder.mkdir(parents=True)
        (folder / "2").symlink_to(source)
        files += [(folder / "2" / path.name, role, {}) for path in sorted(source.glob("*.npy"))]
    raw = listed("cosmic", tmp_path, files)
    with preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 128}) as data:
        test = data.split("test")
        assert (len(data.split("train")), len(data.split("valid")), len(test)) == (3, 1, 4)
        x, sky = test.load("x"), test.load("sky")
        assert x.shape == (4, 1, 128, 128)
        assert sky.tolist() == [570.0] * 4
        np.testing.assert_array_equal(x[0, 0], np.load(source / "1_0.npy")[0, 64:192, 64:192])
        assert test.load("y").sum() > 0


def test_bad_input(tmp_path):
    def with_tile(array, name="npy_train/f435w/10760/2/1_3.npy"):
        return {**small(), name: array}

    nan = tile()
    nan[0, 6, 6] = np.nan
    label = tile()
    label[1, 6, 6] = 2
    ignore = tile()
    ignore[2, 6, 6] = 0.5
    empty = {k: np.stack([v[0], 0 * v[0]]) for k, v in small().items()}
    sky = "npy_train/f435w/10760/2/sky.npy"
    cases = [
        (with_tile(nan), r"1_3\.npy.*NaN"),
        (with_tile(label), r"1_3\.npy.* mask holds values other"),
        (with_tile(ignore), r"1_3\.npy.*ignore mask"),
        (with_tile(tile()[0]), r"1_3\.npy.*shape \(12, 12\)"),
        (with_tile(np.array([], np.float32), sky), r"sky\.npy.*exposure '1'"),
        (empty, r"10760/2.*no cosmic ray"),
        ({k: v for k, v in small().items() if "test" not in k}, r"files\.json.*'test'"),
        ({k: v for k, v in small().items() if "test" in k or k.endswith("1_0.npy")}, "'train' is empty"),
    ]
    for index, (tiles, message) in enumerate(cases):
        raw = write(tmp_path / str(index), tiles)
        with pytest.raises(DataError, match=message):
            preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 8})
        assert not list(tmp_path.glob("*.h5*"))


def test_a_crop_larger_than_a_tile_is_no_fault_of_the_file(tmp_path):
    raw = write(tmp_path / "raw", {**small(), "npy_train/f435w/10760/2/1_3.npy": tile(side=6)})
    sentence = r"1_3\.npy: shape \(3, 6, 6\) is smaller than preprocess\.cosmic\.crop, 8; lower it"
    with pytest.raises(UserError, match=sentence) as caught:
        preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 8})
    assert not isinstance(caught.value, DataError)  # so it is not fetched again
    assert not list(tmp_path.glob("*.h5*"))


@pytest.mark.parametrize("keep", [0, 50, -100])
def test_truncated_tile(tmp_path, keep):
    raw = write(tmp_path / "raw", small())
    path = next(file.path for file in raw.files if file.relative.endswith("1_3.npy"))
    path.write_bytes(path.read_bytes()[:keep])
    raw = listed("cosmic", tmp_path / "raw", [(file.path, file.role, {}) for file in raw.files])
    with pytest.raises(DataError, match=r"1_3\.npy: cannot be read as an array"):
        preprocess("cosmic", raw, tmp_path / "cosmic.h5", {"crop": 8})
    assert not list(tmp_path.glob("*.h5*"))


def test_memory_does_not_grow_with_the_number_of_tiles(tmp_path):
    """Tiles of true size, linked to one: 20 MB of them against 160 MB."""
    shared = tmp_path / "tile.npy"
    np.save(shared, tile(256))
    peaks = []
    for count in (20, 160):
        folder = tmp_path / str(count)
        files = []
        for role, number in (("train", count), ("test", count // 4)):
            visit = folder / f"npy_{role}" / "f435w" / "10760" / "2"
            visit.mkdir(parents=True)
            for k in range(number):
                (visit / f"1_{k}.npy").symlink_to(shared)
                files.append((visit / f"1_{k}.npy", role, {}))
        raw = listed("cosmic", folder, files)
        tracemalloc.start()
        preprocess("cosmic", raw, folder / "cosmic.h5", {"crop": 128})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**20
    assert peaks[1] < 32 * 2**20


def test_score_counts():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, 1, 7, 7)).astype(np.float32)
    y, ignore = (rng.random((2, *outputs.shape)) < 0.3).astype(np.uint8)
    score = scores("cosmic", outputs, {"y": y, "ignore": ignore, "sky": np.zeros(5)})

    def rates(keep):
        tp = fn = fp = tn = 0
        for logit, truth, used in zip(outputs.ravel(), y.ravel() == 1, keep.ravel(), strict=True):
            found = bool(logit > 0.5)
            tp += used and truth and found
            fn += used and truth and not found
            fp += used and not truth and found
            tn += used and not truth and not found
        return 100 * fn / (tp + fn), 100 * fp / (fp + tn), 100 * tp / (tp + fp)

    fnr, fpr, precision = rates(np.ones_like(y, bool))
    assert score["value"] == pytest.approx(fnr)
    assert score["fpr"] == pytest.approx(fpr)
    assert score["precision"] == pytest.approx(precision)
    assert score["balanced_error"] == pytest.approx((fnr + fpr) / 2)
    fnr, fpr, _ = rates(ignore == 0)
    assert (score["fnr_masked"], score["fpr_masked"]) == (pytest.approx(fnr), pytest.approx(fpr))
    assert scores("cosmic", np.full_like(outputs, 0.5), {"y": y, "ignore": ignore})["value"] == 100
    assert scores("cosmic", np.full_like(outputs, 0.51), {"y": y, "ignore": ignore})["value"] == 0


def test_loss_leaves_ignored_pixels_out():
    task, draws = task_training("cosmic"), torch.Generator().manual_seed(0)
    output = torch.randn(2, 1, 4, 4, generator=draws)
    y = (torch.rand(2, 1, 4, 4, generator=draws) < 0.4).to(torch.uint8)
    ignore = torch.zeros_like(y)
    ignore[:, :, 0] = 1
    logit, truth = output[:, :, 1:].numpy().astype(float), y[:, :, 1:].numpy()
    pixels = np.log1p(np.exp(-np.abs(logit))) + np.maximum(logit, 0) - logit * truth
    expected = (pixels.sum() + 8 * np.log(2)) / 32
    assert float(task.loss(output, {"y": y, "ignore": ignore})) == pytest.approx(expected, rel=1e-5)


def test_sky_is_added_to_training_images_only(demo):
    task, batch = task_training("cosmic"), tensors(demo.split("train"))
    before = batch["x"].clone()
    changed = task.augment(batch, torch.Generator().manual_seed(1))
    factor = (changed["x"] - before) / batch["sky"][:, None, None, None]
    assert torch.allclose(factor, factor[:, :, :1, :1].expand_as(factor), atol=0.02)
    values = factor[:, 0, 0, 0]
    assert -0.91 < values.min() < -0.7
    assert 2.8 < values.max() < 3.01
    assert torch.equal(batch["x"], before)
    assert torch.equal(task.inputs(batch), before)


@pytest.mark.slow
def test_learnable(demo):
    """A constant either misses every ray or flags every pixel."""
    task = task_training("cosmic")
    score = evaluate(task, train(task, demo.split("train"), steps=150, lr=0.1), demo.split("test"))
    constant = evaluate(task, Constant(-3.0), demo.split("test"))
    assert constant["value"] == 100
    assert 5 < score["value"] < 80
    assert score["fpr"] < 5
