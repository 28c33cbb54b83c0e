"""The benchmark's own files give the data sets that original ones give; each reader refuses what is no such file."""

import gzip
import io
import json
import os
import pickle
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from task_rooms import preprocess, simulate

import benchmark_files
from benchmark_files import OPTIONS, SIZES, sound
from nasperf360.data.datasets import Dataset, DatasetWriter, Field
from nasperf360.data.download import fetch
from nasperf360.data.fetched import refusals
from nasperf360.data.preprocess import preprocess as write_dataset
from nasperf360.data.raw import RawFiles
from nasperf360.data.sources import Source
from nasperf360.data.sources_file import read_sources, select
from nasperf360.errors import DataError, UserError
from nasperf360.estimate.sizes import PUBLISHED
from nasperf360.registry import names, room
from nasperf360.seeds import derive_seed, generator
from nasperf360.study import configuration
from nasperf360.tasks.fsd50k.decibels import STEP
from nasperf360.tasks.fsd50k.log_mel import log_mel
from nasperf360.tasks.fsd50k.training import Noise
from nasperf360.tasks.shared.readers import raw_owner
from nasperf360.tasks.shared.task_spec import task_spec
from nasperf360.tasks.shared.task_training import task_training
from nasperf360.training.batches import Loader, TrainingBatches

TASKS = sorted(benchmark_files.WRITERS)


class Made:
    """A task's data set of simulated raw files, and a mirror with the benchmark's files of the same content."""

    def __init__(self, task: str, folder: Path):
        self.task = task
        owner = task_spec(task).raw
        raw = simulate(owner, folder / "simulated", SIZES[owner])
        self.expected = preprocess(task, raw, folder / "expected.h5", OPTIONS.get(task, {}))
        self.mirror = folder / "mirror"
        benchmark_files.write(task, raw, self.expected, self.mirror / task)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    known: dict[str, Made] = {}

    def make(task: str) -> Made:
        if task not in known:
            known[task] = Made(task, tmp_path_factory.mktemp(task))
        return known[task]

    return make


def fetched(task: str, mirror: Path, folder: Path) -> RawFiles:
    source = Source.parse(task, benchmark_files.sources([task])[task])
    return RawFiles.open(fetch(source, folder, str(mirror), progress=False))


def changed(made: Made, folder: Path, **contents: bytes | None) -> Path:
    """A mirror like that of ``made``, but for the files of these names."""
    place = folder / "mirror" / made.task
    place.mkdir(parents=True)
    for path in (made.mirror / made.task).iterdir():
        os.link(path, place / path.name)
    for name, content in contents.items():
        (place / name).unlink(missing_ok=True)
        if content is not None:
            (place / name).write_bytes(content)
    return folder / "mirror"


def refusal(task: str, mirror: Path, folder: Path) -> str:
    """What is said of a mirror whose files cannot be a data set."""
    raw = fetched(task, mirror, folder / "raw")
    with pytest.raises(DataError) as caught, refusals(raw):
        preprocess(task, raw, folder / "data.h5", OPTIONS.get(task, {}))
    assert not (folder / "data.h5").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_a_data_set_is_that_of_the_original_files(task: str, made: Callable[[str], Made], tmp_path: Path) -> None:
    expected = made(task).expected
    with preprocess(
        task, fetched(task, made(task).mirror, tmp_path / "raw"), tmp_path / "data.h5", OPTIONS.get(task, {})
    ) as data:
        splits = {name: split for name, split in data.manifest["splits"].items() if name != "noise"}
        assert splits == expected.manifest["splits"]
        for name in splits:
            for field in expected.split(name).fields:
                np.testing.assert_array_equal(data.split(name).load(field), expected.split(name).load(field))
        assert data.manifest["origin"] == "benchmark"
        assert not data.simulated
        fixed = getattr(room("tasks", task, "benchmark"), "FIXED", ())
        assert set(fixed) <= set(expected.manifest["parameters"])
        assert set(data.manifest["parameters"]) == set(expected.manifest["parameters"]) - set(fixed)


def test_every_task_of_the_paper_has_such_files() -> None:
    path = benchmark_files.ROOT / "config" / "sources.benchmark.yaml"
    entries = select(read_sources(path), TASKS, path, "benchmark")
    originals = read_sources(benchmark_files.ROOT / "config" / "sources.yaml")
    assert set(TASKS) == set(names("tasks"))
    for task in TASKS:
        assert raw_owner(task, "benchmark") == task
        assert entries[task]["licence"] == originals.get(task, entries[task])["licence"]


@pytest.mark.parametrize("task", TASKS)
def test_sizes_are_the_published_ones(task: str) -> None:
    samples, published = room("tasks", task, "benchmark").SAMPLES, PUBLISHED[task]
    assert samples["train"] == published.train
    if task == "fsd50k":  # clips; what is evaluated are chunks
        assert samples["valid"] == published.groups
        return
    assert samples["valid"] == published.valid
    merged = samples["train"] + samples["valid"] if task_spec(task).merge_valid else samples["train"]
    assert samples.get("final_train", merged) == published.final_train
    test = samples.get("final_test", samples["test"])
    assert test * (16 if task == "psicov" else 1) == published.test  # tiles


@pytest.mark.parametrize("task", TASKS)
def test_options_of_the_paper_scale_are_the_defaults(task: str) -> None:
    """Else no size would be compared there."""
    config = configuration.resolve({"scale": "paper", "source": "benchmark"})
    assert configuration.preprocess_options(config, task) == task_spec(task).preprocess().params()


@pytest.mark.parametrize("task", ["cifar100", "fsd50k", "satellite"])
def test_files_of_other_sizes_than_the_paper_s_are_refused_at_its_scale(
    task: str, made: Callable[[str], Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = fetched(task, made(task).mirror, tmp_path / "raw")
    expected = {"cifar100": "48 samples of", "fsd50k": "16 samples of", "satellite": "40 samples of the split 'test'"}
    if task == "fsd50k":  # whose tables say so before hours of work
        monkeypatch.setattr(room("tasks", task, "benchmark"), "parse", lambda *_: pytest.fail("the work has begun"))
    with pytest.raises(DataError, match=expected[task]) as caught, refusals(raw):
        write_dataset(task, raw, tmp_path / "data.h5", {}, whole=True)
    monkeypatch.undo()
    assert f"replace {made(task).mirror / task}" in str(caught.value)
    assert not (tmp_path / "data.h5").exists()
    # Who sets an option other than published means other splits.
    if task == "fsd50k":
        write_dataset(task, raw, tmp_path / "data.h5", OPTIONS[task], whole=True)


def test_noise_has_no_size_of_the_paper_s(
    made: Callable[[str], Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, expected = fetched("fsd50k", made("fsd50k").mirror, tmp_path / "raw"), made("fsd50k").expected
    sizes = {name: len(np.unique(expected.split(name).load("group"))) for name in ("train", "valid", "test")}
    monkeypatch.setattr(room("tasks", "fsd50k", "benchmark"), "SAMPLES", sizes)
    write_dataset("fsd50k", raw, tmp_path / "data.h5", {}, whole=True)


def test_arrays_whose_rows_do_not_lie_together_are_turned(made: Callable[[str], Made], tmp_path: Path) -> None:
    """As ``traindata.T[rows][:, columns]`` is saved."""
    name, turned = "deepsea_filtered.npz", io.BytesIO()
    with np.load(made("deepsea").mirror / "deepsea" / name) as arrays:
        np.savez(turned, **{key: np.asfortranarray(values) for key, values in arrays.items()})
    mirror, expected = changed(made("deepsea"), tmp_path, **{name: turned.getvalue()}), made("deepsea").expected
    with preprocess(
        "deepsea", fetched("deepsea", mirror, tmp_path / "raw"), tmp_path / "data.h5", OPTIONS["deepsea"]
    ) as data:
        for field in "xy":
            found = data.split("train").load(field)
            np.testing.assert_array_equal(found, expected.split("train").load(field))


def test_sources_of_another_origin_are_refused(tmp_path: Path) -> None:
    entries = {"ecg": {"licence": "x", "files": [{"name": "a", "role": "records"}]}}
    with pytest.raises(UserError, match=r"s\.yaml: the files of 'ecg' are of origin 'original', not of source 'bench"):
        select(entries, ["ecg"], "s.yaml", "benchmark")
    with pytest.raises(UserError, match=r"'ecg' are of origin 'benchmark', not of source 'original'; change 'sources'"):
        select({"ecg": {**entries["ecg"], "origin": "benchmark"}}, ["ecg"], "s.yaml", "original")
    with pytest.raises(UserError, match=r"no tasks/mine/benchmark\.py reads the benchmark's files of 'mine'; add it"):
        select({"mine": {**entries["ecg"], "origin": "benchmark"}}, ["mine"], "s.yaml", "benchmark")
    with pytest.raises(UserError, match="origin 'mine' was given, allowed are original, benchmark"):
        Source.parse("ecg", {**entries["ecg"], "origin": "mine"})


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


class Calls:
    """Unpickled by a plain loader it would make a folder."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("made by a pickle",)


def records(data: Any, label: Any) -> bytes:
    signals = np.empty(len(data), object)
    signals[:] = data
    return pickle.dumps({"data": signals, "label": np.array(label)})


def spheres(images: Any = None, labels: Any = None) -> bytes:
    images = np.zeros((4, 3, 60, 60), np.uint8) if images is None else images
    part = {"images": images, "labels": [0, 1, 2, 3] if labels is None else labels}
    return gzip.compress(pickle.dumps({"train": part, "test": part}))


def bases(**changes: Any) -> bytes:
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.zeros((6, 1000, 4), np.uint8), np.zeros((6, 36), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
    return stream.getvalue()


SIGNALS = [np.arange(900, dtype=np.int16) for _ in range(12)]
CLASSES = ["N"] * 12
SERIES = np.random.default_rng(0).random((40, 46))
PAGE = b"<html>please log in</html>"

WRONG: dict[str, tuple[str, str, bytes, str]] = {
    "spheres cut off": ("spherical", "s2_cifar100.gz", spheres()[:-40], "not a readable pickle"),
    "spheres a page": ("spherical", "s2_cifar100.gz", PAGE, "Not a gzipped file"),
    "spheres that call": (
        "spherical",
        "s2_cifar100.gz",
        gzip.compress(pickle.dumps({"train": Calls()})),
        "it asks for posix.mkdir, which no array needs",
    ),
    "spheres of another task": (
        "spherical",
        "s2_cifar100.gz",
        gzip.compress(pickle.dumps({"data": 1})),
        "no key 'train', it has ['data']",
    ),
    "spheres without labels": (
        "spherical",
        "s2_cifar100.gz",
        gzip.compress(pickle.dumps({"train": {"images": 1}, "test": {}})),
        "'train': no key 'labels', it has ['images']",
    ),
    "spheres of real numbers": (
        "spherical",
        "s2_cifar100.gz",
        spheres(np.zeros((4, 3, 60, 60))),
        "'images' of 'train' is float64 (4, 3, 60, 60), expected",
    ),
    "spheres of another grid": (
        "spherical",
        "s2_cifar100.gz",
        spheres(np.zeros((4, 3, 32, 32), np.uint8)),
        "'images' of 'train' is uint8 (4, 3, 32, 32), expected uint8 (N, 3, 60, 60)",
    ),
    "spheres of other labels": (
        "spherical",
        "s2_cifar100.gz",
        spheres(labels=[0, 1, 2, 100]),
        "'labels' of 'train' holds 0 to 100, expected whole numbers from 0 to 99",
    ),
    "windows a page": ("ninapro", "ninapro_train.npy", PAGE, "cannot be read as an array of numpy"),
    "windows a pickle": ("ninapro", "ninapro_val.npy", npy(np.array([Calls()], object)), "cannot be read as an array"),
    "windows cut off": ("ninapro", "ninapro_test.npy", npy(np.zeros((20, 52, 16)))[:-1], "truncated or damaged"),
    "windows channels first": (
        "ninapro",
        "ninapro_train.npy",
        npy(np.zeros((5, 16, 52))),
        "its array is float64 (5, 16, 52), expected numbers (N, 52, 16)",
    ),
    "windows of another task": ("ninapro", "ninapro_train.npy", npy(np.zeros(7)), "expected numbers (N, 52, 16)"),
    "windows complex": (
        "ninapro",
        "ninapro_train.npy",
        npy(np.zeros((5, 52, 16), complex)),
        "values of type complex128",
    ),
    "windows with other labels": (
        "ninapro",
        "label_val.npy",
        npy(np.zeros(3, int)),
        "its array is int64 (3,), expected",
    ),
    "windows with labels out of range": (
        "ninapro",
        "label_val.npy",
        npy(np.arange(20)),
        "holds 0 to 19, expected whole numbers from 0 to 17",
    ),
    "windows with halves of labels": (
        "ninapro",
        "label_val.npy",
        npy(np.full(20, 0.5)),
        "expected whole numbers from 0",
    ),
    "records a page": ("ecg", "challenge2017.pkl", PAGE, "not a readable pickle of arrays"),
    "records cut off": ("ecg", "challenge2017.pkl", records(SIGNALS, CLASSES)[:-9], "not a readable pickle of arrays"),
    "records that call": ("ecg", "challenge2017.pkl", pickle.dumps({"data": Calls()}), "it asks for posix.mkdir"),
    "records without labels": (
        "ecg",
        "challenge2017.pkl",
        pickle.dumps({"data": 1}),
        "no key 'label', it has ['data']",
    ),
    "records with few labels": (
        "ecg",
        "challenge2017.pkl",
        records(SIGNALS, CLASSES[1:]),
        "12 records in 'data', but 11 labels in 'label'",
    ),
    "records with another label": (
        "ecg",
        "challenge2017.pkl",
        records(SIGNALS, [*CLASSES[1:], "P"]),
        "'label' of record 11 is 'P', expected N, A, O or ~",
    ),
    "records of two leads": (
        "ecg",
        "challenge2017.pkl",
        records([np.zeros((2, 90), np.int16), *SIGNALS[1:]], CLASSES),
        "'data' of record 0 is int16 (2, 90), expected numbers (N,)",
    ),
    "records standardised": (
        "ecg",
        "challenge2017.pkl",
        records([np.linspace(-1, 1, 900), *SIGNALS[1:]], CLASSES),
        "'data' of record 0 is float64 of shape (900,), expected int16",
    ),
    "records constant": (
        "ecg",
        "challenge2017.pkl",
        records([*SIGNALS[1:], np.zeros(900, np.int16)], CLASSES),
        "the signal is constant and cannot be standardised, in 'data' of record 11",
    ),
    "series a page": ("satellite", "satellite_test.npy", PAGE, "cannot be read as an array of numpy"),
    "series without a dictionary": (
        "satellite",
        "satellite_train.npy",
        npy(SERIES),
        "float64 of shape (40, 46), expected a dictionary of 'data' and 'label'",
    ),
    "series that call": ("satellite", "satellite_train.npy", npy(np.array(Calls(), object)), "it asks for posix.mkdir"),
    "series cut off": (
        "satellite",
        "satellite_test.npy",
        npy(np.array({"data": SERIES, "label": np.ones(40, int)}, object))[:-99],
        "not a readable pickle of arrays",
    ),
    "series of other length": (
        "satellite",
        "satellite_test.npy",
        npy(np.array({"data": SERIES[:, :45], "label": np.ones(40, int)}, object)),
        "'data' is float64 (40, 45), expected numbers (N, 46)",
    ),
    "series of classes from 0": (
        "satellite",
        "satellite_test.npy",
        npy(np.array({"data": SERIES, "label": np.arange(40) % 24}, object)),
        "'label' holds 0 to 23, expected whole numbers from 1 to 24",
    ),
    "bases a page": ("deepsea", "deepsea_filtered.npz", PAGE, "cannot be read as an archive of numpy arrays"),
    "bases cut off": (
        "deepsea",
        "deepsea_filtered.npz",
        bases()[:-100],
        "cannot be read as an archive of numpy arrays",
    ),
    "bases without a test": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(x_test=None),
        "no array 'x_test'; it has x_train",
    ),
    "bases first": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(x_val=np.zeros((6, 4, 1000), np.uint8)),
        "'x_val' is uint8 (6, 4, 1000), expected one byte a value and (N, 1000, 4)",
    ),
    "bases of real numbers": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(x_val=np.zeros((6, 1000, 4))),
        "'x_val' is float64 (6, 1000, 4), expected one byte",
    ),
    "bases of a pickle": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(y_val=np.array([Calls()])),
        "'y_val' is object (1,)",
    ),
    "bases with all labels": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(y_train=np.zeros((6, 919), np.uint8)),
        "'y_train' is uint8 (6, 919), expected one byte a value and (N, 36)",
    ),
    "bases with few labels": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(y_train=np.zeros((5, 36), np.uint8)),
        "6 sequences in 'x_train', but labels for 5 in 'y_train'",
    ),
    "bases two at once": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(x_train=np.ones((6, 1000, 4), np.uint8)),
        "'x_train' is not one-hot",
    ),
    "bases with labels of two": (
        "deepsea",
        "deepsea_filtered.npz",
        bases(y_train=np.full((6, 36), 2, np.uint8)),
        "labels 2 to 2, allowed are 0 to 1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_file_is_refused_in_one_sentence(
    name: str, made: Callable[[str], Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, file, content, fault = WRONG[name]
    monkeypatch.chdir(tmp_path)
    mirror = changed(made(task), tmp_path, **{file: content})
    text = refusal(task, mirror, tmp_path)
    assert text.startswith(str(tmp_path / "raw" / file))
    assert fault in text
    assert text.endswith(f"; replace {mirror / task / file} by a good copy and run the same command")
    assert not (tmp_path / "made by a pickle").exists()


def sounds(made: Made, folder: Path, **changes: bytes | None) -> Path:
    """A mirror whose audio.zip has other members of these names."""
    mirror = changed(made, folder, **{"audio.zip": None})
    with (
        zipfile.ZipFile(made.mirror / "fsd50k/audio.zip") as old,
        zipfile.ZipFile(mirror / "fsd50k/audio.zip", "w") as new,
    ):
        for name in old.namelist():
            content = next((value for end, value in changes.items() if name.endswith(end)), old.read(name))
            if content is not None:
                new.writestr(name, content)
    return mirror


def first_chunk(made: Made) -> str:
    with zipfile.ZipFile(made.mirror / "fsd50k/audio.zip") as archive:
        return next(name for name in archive.namelist() if name.endswith("_0000.wav")).rpartition("/")[2]


FULL_LABELS = json.dumps({f"label {number}": number for number in range(200)}).encode()
WRONG_SOUNDS: dict[str, tuple[str, bytes | None, str]] = {
    "no table": ("/tr.csv", None, "audio.zip: tr.csv is expected, but there is none"),
    "another table": (
        "/tr.csv",
        b"fname,labels,mids,split\n1,a,b,train\n",
        "columns fname, labels, mids, split, expected files",
    ),
    "an empty table": ("/tr.csv", b"files,labels,ext\n", "data/chunks/tr.csv: no rows"),
    "a clip by name": ("/tr.csv", b"files,labels,ext\na.wav,b,dog\n", "clip dog, expected its number"),
    "a lost chunk": (
        "/val.csv",
        b"files,labels,ext\n1_0000.wav,b,1\n",
        "val.csv: 1_0000.wav is expected, but there is none",
    ),
    "few labels": ("lbl_map.json", b'{"a": 0}', "lbl_map.json: 1 labels, expected 200"),
    "labels no JSON": ("/lbl_map.json", PAGE, "lbl_map.json: cannot be read as a JSON file"),
    "labels a list": ("/lbl_map.json", b"[]", "lbl_map.json: no mapping from label to index"),
    "other labels": ("/lbl_map.json", FULL_LABELS, "not in the vocabulary"),
    "a chunk of 44.1 kHz": (
        "CHUNK",
        sound(np.zeros(22050), 44100),
        "22050 samples, 1 channels, 44100 Hz; expected mono",
    ),
    "a chunk of two seconds": ("CHUNK", sound(np.zeros(44100)), "44100 samples, 1 channels, 22050 Hz; expected mono"),
    "a chunk of two channels": ("CHUNK", sound(np.zeros(200), channels=2), "100 samples, 2 channels, 22050 Hz"),
    "a chunk cut off": ("CHUNK", sound(np.zeros(22050))[:-100], "truncated: its header says 22050 samples, but 22000"),
    "a chunk a page": ("CHUNK", PAGE, "not a wave file"),
}


@pytest.mark.parametrize("name", WRONG_SOUNDS)
def test_what_are_no_such_sounds_is_refused(name: str, made: Callable[[str], Made], tmp_path: Path) -> None:
    end, content, fault = WRONG_SOUNDS[name]
    fsd50k = made("fsd50k")
    mirror = sounds(fsd50k, tmp_path, **{first_chunk(fsd50k) if end == "CHUNK" else end: content})
    text = refusal("fsd50k", mirror, tmp_path)
    assert text.startswith(str(tmp_path / "raw/audio.zip"))
    assert fault in text
    assert text.endswith("by a good copy and run the same command")


def test_sounds_may_lie_unpacked(made: Callable[[str], Made], tmp_path: Path) -> None:
    mirror = changed(made("fsd50k"), tmp_path, **{"audio.zip": None})
    with zipfile.ZipFile(made("fsd50k").mirror / "fsd50k/audio.zip") as archive:
        archive.extractall(mirror / "fsd50k/audio")
    with preprocess(
        "fsd50k", fetched("fsd50k", mirror, tmp_path / "raw"), tmp_path / "data.h5", OPTIONS["fsd50k"]
    ) as data:
        expected = made("fsd50k").expected.split("test").load("x")
        np.testing.assert_array_equal(data.split("test").load("x"), expected)
        assert len(data.split("noise")) == sum(NOISE_FRAMES)


# -- background noise --------------------------------------------------------------------------------------------------


HOP = OPTIONS["fsd50k"]["hop"]
NOISE_FRAMES = [1 + int(seconds * 22_050) // HOP for seconds in (1, 1, 2.7)]  # half a second is tiled


@pytest.fixture
def noisy(made: Callable[[str], Made], tmp_path: Path) -> Dataset:
    raw = fetched("fsd50k", made("fsd50k").mirror, tmp_path / "raw")
    return preprocess("fsd50k", raw, tmp_path / "data.h5", OPTIONS["fsd50k"])


def test_noise_is_the_spectrogram_of_whole_clips(noisy: Dataset, made: Callable[[str], Made]) -> None:
    """With the floor and the mean of the clip, not of a second."""
    noise = noisy.split("noise")
    group = noise.load("group")
    assert np.bincount(group).tolist() == NOISE_FRAMES
    with zipfile.ZipFile(made("fsd50k").mirror / "fsd50k/audio.zip") as archive:
        names = sorted(name for name in archive.namelist() if "noise" in name)
        signals = [soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")[0] for name in names]
    for number, signal in enumerate(signals):
        (expected,) = log_mel(np.resize(signal, max(22_050, len(signal)))[None], 22_050, 32, HOP)
        found = noise.load("x")[group == number]
        np.testing.assert_allclose(found[:, 0, :, 0].T * STEP, expected, atol=STEP)
        assert set(noise.load("lowest")[group == number]) == {found.min()}


def marked(path: Path, sizes: list[int], mels: int) -> Dataset:
    """Clips of noise, all of whose values say their frame: 300 times the clip plus the number; below zero is a mask."""
    with DatasetWriter(path, task="fsd50k", origin="benchmark", licence="none") as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((1, mels, 20), "int16"), y=((200,), "uint8"), group=((), "int32"))
            split.append(x=np.ones((4, 1, mels, 20), np.int16), y=np.zeros((4, 200), np.uint8), group=np.arange(4))
        field: Field = ((), "int16")
        noise = writer.split("noise", x=((1, mels, 1), "int16"), y=((1,), "uint8"), group=field, lowest=field)
        for clip, size in enumerate(sizes):
            values = np.tile((300 * clip + np.arange(size))[:, None, None, None], (1, 1, mels, 1))
            labels, ones = np.zeros((size, 1), np.uint8), np.ones(size, np.int16)
            noise.append(x=values, y=labels, group=clip * ones, lowest=(-1 - clip) * ones)
    return Dataset(path)


def test_noise_is_a_masked_crop_of_a_random_clip(tmp_path: Path) -> None:
    """Each clip is as likely as any other, each place too; masks are of the clip, as a plain loop draws them."""
    sizes, mels, frames, count = [20, 25, 200], 30, 20, 6000
    noise = Noise(marked(tmp_path / "d.h5", sizes, mels).split("noise"))
    crops = noise.draw(count, frames, torch.Generator().manual_seed(0))
    assert torch.equal(crops, noise.draw(count, frames, torch.Generator().manual_seed(0)))
    assert (crops.dtype, crops.shape) == (torch.int16, (count, 1, mels, frames))
    shares: dict[int, list[float]] = {0: [], 1: [], 2: []}
    starts: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for crop in crops.numpy()[:, 0]:
        hidden = crop < 0
        if hidden.all():
            continue
        shown, place = crop[~hidden], np.broadcast_to(np.arange(frames), crop.shape)[~hidden]
        clip = int(shown[0]) // 300
        assert set(shown - place - 300 * clip) == {int(shown[0] - place[0] - 300 * clip)}  # frames in a row
        assert set(crop[hidden]) <= {-1 - clip}
        starts[clip].append(int(shown[0] - place[0] - 300 * clip))
        shares[clip].append(hidden.mean())
    rng = np.random.default_rng(0)
    for clip, size in enumerate(sizes):
        assert len(starts[clip]) / count == pytest.approx(1 / 3, abs=0.03)
        assert set(starts[clip]) == set(range(size - frames + 1))
        assert np.mean(starts[clip]) == pytest.approx((size - frames) / 2, rel=0.05)
        expected = []
        for _ in range(3000):
            whole = np.zeros((mels, size), bool)
            for _ in range(rng.integers(1, 3) if rng.random() < 0.5 else 0):
                width, length = int(rng.uniform(0, 0.15) * mels), int(rng.uniform(0, 0.2) * size)
                band, first = int(rng.uniform(0, mels - width)), int(rng.uniform(0, size - length))
                whole[band : band + width] = whole[:, first : first + length] = True
            start = rng.integers(size - frames + 1)
            expected.append(whole[:, start : start + frames].mean())
        found, kept = np.array(shares[clip]), np.array([share for share in expected if share < 1])
        assert found.mean() == pytest.approx(kept.mean(), abs=0.015)
        for share in (0, 0.1, 0.2, 0.4):
            assert (found > share).mean() == pytest.approx((kept > share).mean(), abs=0.04)


def test_noise_is_mixed_into_three_patches_of_four(noisy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    task, train = task_training("fsd50k"), noisy.split("train")
    task.fit(train)
    masked = task_training("fsd50k", {"noise": False})
    masked.fit(train)
    batch = {"x": torch.from_numpy(train.load("x"))[torch.arange(2000) % len(train)]}
    kept = batch["x"].clone()
    plain = masked.augment(batch, torch.Generator().manual_seed(3))["x"]
    drawn: list[torch.Tensor] = []
    draw = Noise.draw
    monkeypatch.setattr(Noise, "draw", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    mixed = task.augment(batch, torch.Generator().manual_seed(3))["x"]
    assert torch.equal(batch["x"], kept)
    weights = []
    for before, after, piece in zip(plain * STEP, mixed * STEP, drawn[0] * STEP, strict=True):
        # The difference is a (n - x) for that noise, and a weight a.
        direction = (piece - before).flatten()
        weight = float((after - before).flatten() @ direction / (direction @ direction))
        assert float(((after - before).flatten() - weight * direction).norm()) < 1e-2
        weights.append(weight)
    found = np.array(weights)
    assert np.mean(found > 0) == pytest.approx(0.75, abs=0.05)
    assert found.max() == pytest.approx(0.5, abs=0.01)
    assert found[found > 0].mean() == pytest.approx(0.25, abs=0.02)


def test_noise_is_mixed_in_off_the_main_thread(noisy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are read ahead, to the numbers of a plain loop."""
    noisy.memory.free = 0
    task, train = task_training("fsd50k"), noisy.split("train")
    task.fit(train)
    loader = Loader(train, 2, torch.device("cpu"), one_per_group=True)
    draws = torch.Generator().manual_seed(derive_seed(5, "augment", 1))
    plain = [task.augment(batch, draws) for batch in loader.shuffled(generator(5, "order", 1))]
    threads: list[str] = []
    draw = Noise.draw
    monkeypatch.setattr(Noise, "draw", lambda *given: threads.append(threading.current_thread().name) or draw(*given))
    for batch, expected in zip(TrainingBatches(task, loader, seed=5, epoch=1), plain, strict=True):
        assert all(torch.equal(batch[field], expected[field]) for field in expected)
    assert len(threads) == len(plain) > 1
    assert all(name.startswith("data") for name in threads)


def test_noise_that_is_not_there_is_refused_when_asked_for(made: Callable[[str], Made]) -> None:
    train = made("fsd50k").expected.split("train")
    silent, asked = task_training("fsd50k"), task_training("fsd50k", {"noise": True})
    silent.fit(train)
    batch = {"x": torch.from_numpy(train.load("x")[:8])}
    off = task_training("fsd50k", {"noise": False})
    off.fit(train)
    one, other = (task.augment(batch, torch.Generator().manual_seed(1))["x"] for task in (silent, off))
    assert torch.equal(one, other)
    with pytest.raises(UserError, match=r"expected\.h5: holds no background noise, which the switch 'noise' .* null$"):
        asked.fit(train)


def test_noise_asked_for_is_found(noisy: Dataset) -> None:
    task = task_training("fsd50k", {"noise": True})
    task.fit(noisy.split("train").subset(np.arange(4), "of a search"))
    assert task.noise is not None  # type: ignore[attr-defined]
    assert len(task.noise) == 3  # type: ignore[attr-defined]
