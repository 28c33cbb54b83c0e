"""CIFAR-100: the archive, the splits, the augmentation, and what can be learned from the simulated images."""

import gzip
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from task_rooms import listed, preprocess, scores, simulate
from task_rooms import simulated as simulated_files
from torch import Tensor, nn

from nasperf360.data.datasets import Dataset
from nasperf360.data.raw import RawFiles
from nasperf360.errors import DataError
from nasperf360.seeds import generator
from nasperf360.tasks.cifar100.simulator import COARSE, FINE, draw_images
from nasperf360.tasks.cifar100.spec import Switches
from nasperf360.tasks.cifar100.training import MEAN, STD
from nasperf360.tasks.shared.cifar_archive import read_archive, train_size
from nasperf360.tasks.shared.task_training import task_training

NAME = "cifar-100-python.tar.gz"


def preprocessed(raw: RawFiles, path: Path, task: str = "cifar100", **options: Any) -> Dataset:
    return preprocess(task, raw, path, options)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RawFiles:
    folder = tmp_path_factory.mktemp("cifar100")
    return simulate("cifar100", folder, {"train": 1500, "test": 300})


def write_members(path: Path, **members: object) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, record in members.items():
            content = pickle.dumps(record, protocol=2)
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def record(count: int = 5, **changes: object) -> dict[str, object]:
    return {"data": np.zeros((count, 3072), np.uint8), "fine_labels": list(range(count)), **changes}


# -- reading ---------------------------------------------------------------------------------------------------------


def test_round_trip(simulated: RawFiles, tmp_path: Path) -> None:
    data = preprocessed(simulated, tmp_path / "cifar100.h5")
    assert [len(data.split(name)) for name in ("train", "valid", "test")] == [1200, 300, 300]
    assert data.split("train").shape() == (3, 32, 32)
    x, y = data.split("train", "valid").load("x"), data.split("train", "valid").load("y")
    assert x.dtype == np.uint8
    # Straight from the pickle, decoded as torchvision does.
    with tarfile.open(simulated.one("archive").path) as archive:
        train = pickle.load(archive.extractfile("cifar-100-python/train"), encoding="latin1")  # type: ignore[arg-type]
        meta = pickle.load(archive.extractfile("cifar-100-python/meta"), encoding="latin1")  # type: ignore[arg-type]
    np.testing.assert_array_equal(x.reshape(1500, -1), train["data"])
    np.testing.assert_array_equal(y, train["fine_labels"])
    assert set(y) == set(range(100))
    assert [label // 5 for label in train["fine_labels"]] == train["coarse_labels"]
    assert (meta["fine_label_names"], meta["coarse_label_names"]) == (FINE, COARSE)
    assert len(set(FINE)) == 100
    assert len(set(COARSE)) == 20
    assert len(set(train["filenames"])) == 1500


def test_simulated_strings_are_those_of_python_2(simulated: RawFiles) -> None:
    with tarfile.open(simulated.one("archive").path) as archive:
        meta = pickle.load(archive.extractfile("cifar-100-python/meta"), encoding="bytes")  # type: ignore[arg-type]
    assert sorted(meta) == [b"coarse_label_names", b"fine_label_names"]


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (
        simulated_files("cifar100", tmp_path / name, {"train": 20, "test": 10}, generator("a"))[0][0].read_bytes()
        for name in "ab"
    )
    assert first == second


def test_full_size_splits() -> None:
    assert train_size(50_000) == 40_000


def test_real_images(samples: Path, tmp_path: Path) -> None:
    path = samples / "cifar100" / NAME
    members = read_archive(path)
    assert {name: len(images) for name, (images, _) in members.items()} == {"train": 105, "test": 105}
    images, labels = members["train"]
    assert set(labels) == set(range(100))
    # Planes in the right order: natural images are smooth along both axes, much less across scrambled ones.
    pixels = images.astype(float)
    for axis in (2, 3):
        assert np.abs(np.diff(pixels, axis=axis)).mean() < 0.35 * pixels.std()
    (tmp_path / NAME).write_bytes(path.read_bytes())
    data = preprocessed(listed("cifar100", tmp_path, [(tmp_path / NAME, "archive", {})]), tmp_path / "cifar100.h5")
    assert [len(data.split(name)) for name in ("train", "valid", "test")] == [84, 21, 105]


def test_keys_as_str_or_bytes(tmp_path: Path) -> None:
    as_bytes = {key.encode(): value for key, value in record().items()}
    members = read_archive(write_members(tmp_path / NAME, train=as_bytes, test=record()))
    np.testing.assert_array_equal(members["train"][1], members["test"][1])


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("touched"),))


@pytest.mark.parametrize(
    ("train", "fault"),
    [
        ({"fine_labels": [0]}, "no key 'data'"),
        ({"data": np.zeros((1, 3072), np.uint8)}, "no key 'fine_labels'"),
        (record(data=np.zeros((5, 3071), np.uint8)), r"\(5, 3071\)"),
        (record(data=np.full((5, 3072), np.nan)), "float64"),
        (record(fine_labels=[0, 1]), "expected 5 integers"),
        (record(fine_labels=[0, 1, 2, 3, 100]), "0 to 99"),
        (record(fine_labels=[0, -1, 2, 3, 4]), "0 to 99"),
        (record(0), "empty"),
        ([1, 2], "expected a dict"),
        ({"data": Malicious()}, "not a pickle of CIFAR-100"),
    ],
)
@pytest.mark.parametrize("task", ["cifar100", "spherical"])
def test_bad_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, train: object, fault: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_members(tmp_path / NAME, train=train, test=record())
    with pytest.raises(DataError, match=fault) as caught:
        preprocessed(listed("cifar100", tmp_path, [(path, "archive", {})]), tmp_path / "out.h5", task)
    assert str(path) in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == [NAME, "files.json"]


def test_bad_archive(simulated: RawFiles, tmp_path: Path) -> None:
    whole = simulated.one("archive").path.read_bytes()
    damaged = bytearray(whole)
    damaged[-6] ^= 1  # in the checksum
    contents = {
        "truncated": whole[: len(whole) // 2],
        "cut at the end": whole[:-4],
        "checksum": bytes(damaged),
        "no gzip": b"hello",
        "no tar": gzip.compress(b"hello" * 1000),
        "empty": b"",
    }
    path = tmp_path / NAME
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as a tar") as caught:
            preprocessed(listed("cifar100", tmp_path, [(path, "archive", {})]), tmp_path / "out.h5")
        assert str(path) in str(caught.value)
        assert not list(tmp_path.glob("*.h5*"))
    with pytest.raises(DataError, match="no member cifar-100-python/test"):
        read_archive(write_members(path, train=record()))


# -- augmentation and inputs -----------------------------------------------------------------------------------------


def augmented(x: Tensor, cutout: bool) -> Tensor:
    task = task_training("cifar100", {"cutout": cutout})
    return task.inputs(task.augment({"x": x, "y": torch.zeros(len(x))}, torch.Generator().manual_seed(3)))


def normalised(images: np.ndarray) -> np.ndarray:
    mean, std = (np.array(values)[:, None, None] for values in (MEAN, STD))
    return (images / 255 - mean) / std


def test_inputs_are_normalised() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    inputs = task_training("cifar100").inputs({"x": torch.from_numpy(images)})
    assert inputs.dtype == torch.float32
    np.testing.assert_allclose(inputs, normalised(images), atol=1e-6)


def test_crops_and_flips_are_those_of_the_padded_image() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 3, 32, 32), np.uint8)
    result = augmented(torch.from_numpy(images), cutout=False).numpy()
    seen = set()
    for image, changed in zip(images, result, strict=True):
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
        matches = [
            (top, left, flip)
            for top in range(9)
            for left in range(9)
            for flip in (False, True)
            if np.allclose(
                normalised(padded[:, top : top + 32, left : left + 32][..., 15:18, :: -1 if flip else 1]),
                changed[:, 15:18],
                atol=1e-5,
            )
        ]
        assert len(matches) == 1
        top, left, flip = matches[0]
        crop = padded[:, top : top + 32, left : left + 32][..., :: -1 if flip else 1]
        np.testing.assert_allclose(normalised(crop), changed, atol=1e-5)
        seen.add(matches[0])
    assert {top for top, _, _ in seen} == {left for _, left, _ in seen} == set(range(9))
    assert 0.4 < np.mean([flip for _, _, flip in seen]) < 0.6


def test_cutout_is_a_square_of_zeros_after_normalisation() -> None:
    x = torch.full((600, 3, 32, 32), 255, dtype=torch.uint8)
    with_cutout, without = augmented(x, True), augmented(x, False)
    cut = (with_cutout != without).all(dim=1)
    assert (with_cutout[cut[:, None].expand_as(with_cutout)] == 0).all()
    assert torch.equal(torch.where(cut[:, None], 0.0, without), with_cutout)
    heights, widths = cut.any(dim=2).sum(dim=1), cut.any(dim=1).sum(dim=1)
    assert torch.equal(cut.sum(dim=(1, 2)), heights * widths)
    # Centres are uniform over the image and the square is cut by the border: sides from 8 to 16.
    assert (heights.min(), heights.max()) == (8, 16)
    assert (widths.min(), widths.max()) == (8, 16)
    assert cut.float().mean(dim=0).min() > 0.03
    assert cut.float().mean(dim=0).max() < 0.33


def test_augmentation_draws_from_its_generator_alone() -> None:
    x = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    first = augmented(x, True)
    torch.manual_seed(99)
    assert torch.equal(first, augmented(x, True))


def test_score() -> None:
    rng = np.random.default_rng(1)
    outputs, labels = rng.normal(size=(500, 100)).astype(np.float32), rng.integers(0, 100, 500)
    outputs[np.arange(200), labels[:200]] = 10
    wrong = sum(int(max(range(100), key=row.__getitem__) != label) for row, label in zip(outputs, labels, strict=True))
    assert scores("cifar100", outputs, {"y": labels}) == {"value": pytest.approx(100 * wrong / 500)}


# -- what the simulated images teach ---------------------------------------------------------------------------------


def test_the_mean_image_of_every_class_is_grey() -> None:
    rng = np.random.default_rng(0)
    for label in (0, 37, 99):
        mean = draw_images(np.full(800, label), 0.05, rng).mean(axis=0)
        assert np.abs(mean - 127).max() < 12


def network(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((3, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 100))


def linear(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(inputs), nn.Linear(inputs, 100))


def final_error(data: Dataset, model: nn.Module, epochs: int = 5, rate: float = 0.1) -> float:
    """0-1 error on the test split after a short training on train + valid."""
    task = task_training(data.manifest["task"])
    train, test = data.final(task.spec.merge_valid)
    x, y = torch.from_numpy(train.load("x")), torch.from_numpy(train.load("y"))
    draws, steps = torch.Generator().manual_seed(0), epochs * (len(x) // 32)
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=draws)[: len(x) // 32 * 32].split(32):
            batch = task.augment({"x": x[rows], "y": y[rows]}, draws)
            optimizer.zero_grad()
            task.loss(model(task.inputs(batch)), batch).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        parts = torch.from_numpy(test.load("x")).split(100)
        outputs = torch.cat([task.predict(model, {"x": part}) for part in parts])
    return scores(task.spec.name, outputs.numpy(), test.targets())["value"]


@pytest.mark.slow
def test_a_small_network_learns_and_a_linear_one_does_not(simulated: RawFiles, tmp_path: Path) -> None:
    data = preprocessed(simulated, tmp_path / "cifar100.h5")
    torch.manual_seed(0)
    error = final_error(data, network(8))
    assert 15 < error < 85  # chance is 99
    assert final_error(data, linear(3 * 32 * 32)) > max(80, error + 10)


def test_switches_are_set_by_name_and_unknown_ones_refused() -> None:
    assert task_training("cifar100", {"cutout": False}).switches == Switches(cutout=False)
    assert task_training("cifar100").switches.cutout is True
    for given in ({"cutouts": False}, {"cutout": 1}, {"augment": False}):
        with pytest.raises(ValidationError, match=next(iter(given))):
            task_training("cifar100", given)
