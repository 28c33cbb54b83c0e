"""Thousands of damaged files, drawn with fixed seeds: each is read, or refused in one sentence with its name."""

import io
import json
import pickle
import tarfile
import wave
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from damage import damaged, read_or_refused, refusals_of
from nasperf360.data.archives import unpack
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.published import fetch_published
from nasperf360.data.raw import RawFile, RawFiles, write_manifest
from nasperf360.errors import DataError
from nasperf360.files import digest_file, read_json
from nasperf360.tasks.darcy.data import read_mat
from nasperf360.tasks.deepsea.matlab_stream import MatlabFile
from nasperf360.tasks.ecg.data import read_record, read_reference
from nasperf360.tasks.fsd50k.data import _vocabulary
from nasperf360.tasks.fsd50k.wave import read_header, read_samples
from nasperf360.tasks.ninapro.data import read_emg, read_labels
from nasperf360.tasks.psicov.proteins import read_distances, read_features
from nasperf360.tasks.satellite.data import read_series
from nasperf360.tasks.shared.arrays import read_npy
from nasperf360.tasks.shared.cifar_archive import read_archive

RNG = np.random.default_rng(12)
COUNT = 100


def saved(save: Any) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def matlab(arrays: dict[str, np.ndarray], **options: Any) -> bytes:
    return saved(lambda stream: scipy.io.savemat(stream, arrays, **options))


def matlab73(arrays: dict[str, np.ndarray], **options: Any) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values.T, **options)
    return b"MATLAB 7.3 MAT-file".ljust(512, b"\0") + stream.getvalue()[512:]


def tar(members: dict[str, bytes], mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def sound() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(RNG.integers(-999, 999, 2000, np.int16).tobytes())
    return stream.getvalue()


RECORD = {"val": RNG.integers(-999, 999, (1, 500), np.int16)}
EMG = {
    "emg": RNG.normal(size=(60, 16)).astype(np.float32),
    "restimulus": RNG.integers(0, 18, (60, 1)).astype(np.int8),
    "rerepetition": RNG.integers(0, 7, (60, 1)).astype(np.int8),
}
FIELDS = {"coeff": RNG.choice([3.0, 12.0], (3, 5, 5)), "sol": RNG.random((3, 5, 5))}
DNA = {
    "trainxdata": np.eye(4, dtype=np.uint8)[RNG.integers(0, 4, (6, 1000))].transpose(0, 2, 1).copy(),
    "traindata": RNG.integers(0, 2, (6, 919), np.uint8),
}
LENGTH = 9
PROTEIN = {
    "seq": "A" * LENGTH,
    "ss": RNG.random((3, LENGTH)).astype("f2"),
    "pssm": RNG.random((LENGTH, 22)).astype("f2"),
    "sa": list(map(float, RNG.random(LENGTH))),
    "entropy": [f"{value:.3f}" for value in RNG.random(LENGTH)],
    **{name: RNG.random((LENGTH, LENGTH)).astype("f2") for name in ("ccmpred", "freecon", "potential")},
}
DISTANCES = np.array([LENGTH, "A" * LENGTH, RNG.random((LENGTH, LENGTH)).astype("f4")], object)
IMAGES = {b"data": RNG.integers(0, 256, (3, 3072), np.uint8), b"fine_labels": [1, 2, 99], b"filenames": [b"a.png"]}


def cifar(content: bytes) -> bytes:
    return tar({"cifar-100-python/train": content, "cifar-100-python/test": content}, "w:gz")


def read_dna(path: Path) -> None:
    with MatlabFile(path, path.parent) as file:
        for array in (file.array("trainxdata", 1000, 4), file.array("traindata", 919)):
            for start, stop in array.bounds(1 << 20):
                array.block(start, stop)


def read_emg_and_labels(path: Path) -> None:
    read_labels(path)
    read_emg(path)


def read_wave(path: Path) -> None:
    read_samples(path, read_header(path))


def read_fields(path: Path) -> None:
    for name in FIELDS:
        read_mat(path, name, {"train": [0, 2], "test": [2, 3]}, 2)


def read_table(path: Path) -> None:
    raw = RawFiles(
        "ecg", "original", "none", (raw_file(path, "records"), raw_file(path.with_name("A1.mat"), "records")), path
    )
    read_reference(raw)


def raw_file(path: Path, role: str) -> RawFile:
    return RawFile(path, path.name, role, 0, "")


SERIES = "\n".join(",".join(["3", *(f"{value:.4f}" for value in row)]) for row in RNG.random((20, 46))).encode()
VOCABULARY = "\n".join(f"{index},Label_{index},/m/{index}" for index in range(200)).encode()
MEMBERS = {"data/a.bin": RNG.bytes(900), "data/sub/b.bin": bytes(3000), "c.txt": b"hello\n"}

CASES: dict[str, tuple[str, bytes, Any]] = {
    "MATLAB 4": ("A1.mat", matlab(RECORD, format="4"), read_record),
    "MATLAB 5": ("A1.mat", matlab(RECORD), read_record),
    "MATLAB 5, compressed": ("S1_E2_A1.mat", matlab(EMG, do_compression=True), read_emg_and_labels),
    "MATLAB 5, several": ("S1_E2_A1.mat", matlab(EMG), read_emg_and_labels),
    "MATLAB 7.3": ("fields.mat", matlab73(FIELDS), read_fields),
    "MATLAB 7.3, compressed": ("fields.mat", matlab73(FIELDS, chunks=True, compression="gzip"), read_fields),
    "MATLAB 5, fields": ("fields.mat", matlab(FIELDS), read_fields),
    "MATLAB 5, bytes": ("train.mat", matlab(DNA), read_dna),
    "MATLAB 5, compressed bytes": ("train.mat", matlab(DNA, do_compression=True), read_dna),
    "MATLAB 7.3, bytes": ("train.mat", matlab73(DNA, chunks=True, compression="gzip"), read_dna),
    "features": ("1guuA.pkl", pickle.dumps(PROTEIN), read_features),
    "features, protocol 0": ("1guuA.pkl", pickle.dumps(PROTEIN, 0), read_features),
    "features, protocol 5": ("1guuA.pkl", pickle.dumps(PROTEIN, 5), read_features),
    "distances": (
        "1guuA-cb.npy",
        saved(lambda stream: np.save(stream, DISTANCES, allow_pickle=True)),
        lambda path: read_distances(path, LENGTH),
    ),
    "npy": ("1_2.npy", saved(lambda stream: np.save(stream, RNG.random((3, 8, 8)))), read_npy),
    "CIFAR-100": ("cifar-100-python.tar.gz", cifar(pickle.dumps(IMAGES, 2)), read_archive),
    "wave": ("1.wav", sound(), read_wave),
    "series": ("TEST.csv", SERIES, lambda path: list(read_series(path))),
    "vocabulary": ("vocabulary.csv", VOCABULARY, lambda path: _vocabulary(raw_file(path, "ground_truth"))),
    "reference": ("REFERENCE-v3.csv", b"A1,N\n", read_table),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_raw_file_is_read_or_refused(case: str, tmp_path: Path) -> None:
    name, content, read = CASES[case]
    said = refusals_of(tmp_path / name, content, read, COUNT, seed=len(case))
    assert len(said) > COUNT // 8


# -- data sets


def write_set(folder: Path, name: str = "ecg") -> Path:
    """A small data set of a task with four classes."""
    path, rng = folder / f"{name}.h5", np.random.default_rng(0)
    attributes = {"origin": "simulated", "licence": "none", "parameters": {}, "sources": {}}
    with DatasetWriter(path, task=name, **attributes) as writer:
        for split in ("train", "valid", "test"):
            fields = writer.split(split, x=((1, 20), "float32"), y=((), "int64"), group=((), "int64"), classes=4)
            x = rng.normal(size=(12, 1, 20)).astype(np.float32)
            fields.append(x=x, y=rng.integers(0, 4, 12), group=np.arange(12))
    return path


def agree(path: Path) -> None:
    """Make the manifest say size and digest of the file, as one who alters a data set would."""
    manifest = read_json(path.with_suffix(".json"))
    content = {**manifest, "bytes": path.stat().st_size, "sha256": digest_file(path)}
    path.with_suffix(".json").write_text(json.dumps(content))


def test_a_damaged_data_set_with_the_right_digest_is_read_or_refused(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        agree(path)
        with Dataset(path) as data:
            data.verify(classes=4)
            for split in (*data.tuning(), *data.final(merge_valid=True)):
                split.targets()
                split.load("x")

    path = write_set(tmp_path)
    said = refusals_of(path, path.read_bytes(), read, 100, seed=3)
    assert len(said) > 12


# -- archives


def split_in_two(content: bytes, folder: Path) -> list[Path]:
    paths = [folder / "s.z01", folder / "s.zip"]
    for path, part in zip(paths, (content[: len(content) // 2], content[len(content) // 2 :]), strict=True):
        path.write_bytes(part)
    return paths


@pytest.mark.parametrize("packing", ["zip", "tar", "tar.gz"])
def test_a_damaged_archive_is_unpacked_or_refused(packing: str, tmp_path: Path) -> None:
    content = zipped(MEMBERS) if packing == "zip" else tar(MEMBERS, {"tar": "w", "tar.gz": "w:gz"}[packing])
    folders = iter(range(10_000))

    def read(path: Path) -> None:
        below = tmp_path / "out" / str(next(folders))
        for file in unpack(path, packing, below):
            assert below in file.resolve().parents

    said = refusals_of(tmp_path / f"a.{packing}", content, read, COUNT, seed=5)
    assert len(said) > COUNT // 4
    assert {path.name for path in tmp_path.iterdir()} == {f"a.{packing}", "out"}


def test_a_damaged_split_archive_is_unpacked_or_refused(tmp_path: Path) -> None:
    folders = iter(range(10_000))

    def read(path: Path) -> None:
        parts = split_in_two(path.read_bytes(), path.parent)
        try:
            unpack(parts, "splitzip", tmp_path / "out" / str(next(folders)))
        except DataError as error:
            raise DataError(str(error).replace(str(parts[1]), str(path))) from error

    for number, variant in enumerate(damaged(zipped(MEMBERS), COUNT, 6)):
        path = tmp_path / "whole"
        path.write_bytes(variant)
        read_or_refused(path, read, f"variant {number}")


# -- manifests


def mangled(content: Any, rng: np.random.Generator) -> Any:
    """JSON of another form: one value of it replaced, renamed or removed."""
    others = [None, True, -1, 0, 1.5, 10**40, "", "x", "../x", "\ud800", [], {}, [[]], {"a": None}, float("nan")]
    if isinstance(content, dict) and content and rng.random() < 0.8:
        key = sorted(content)[int(rng.integers(len(content)))]
        rest = {name: value for name, value in content.items() if name != key}
        match rng.integers(5):
            case 0:
                return rest
            case 1:
                return {**rest, str(rng.choice(["nonsense", ".fetched", "../up"])): content[key]}
            case _:
                return {**content, key: mangled(content[key], rng)}
    if isinstance(content, list) and content and rng.random() < 0.8:
        place = int(rng.integers(len(content)))
        return [*content[:place], mangled(content[place], rng), *content[place + 1 :]]
    return others[int(rng.integers(len(others)))]


def test_a_mangled_manifest_of_a_data_set_is_read_or_refused(tmp_path: Path) -> None:
    place = write_set(tmp_path / "published").with_suffix(".json")
    content, rng = read_json(place), np.random.default_rng(8)

    def read(path: Path) -> None:
        try:
            fetch_published("ecg", tmp_path / "data" / "ecg.h5", str(path.parent), {}, progress=False)
        except DataError as error:
            raise DataError(str(error).replace(str(path.with_suffix(".h5")), str(path))) from error

    said = 0
    for _ in range(150):
        place.write_text(json.dumps(mangled(content, rng)))
        (tmp_path / "data" / "ecg.json").unlink(missing_ok=True)
        said += bool(read_or_refused(place, read, place.read_text()[:300]))
    assert said > 100


def test_a_mangled_list_of_raw_files_is_read_or_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    place, rng = tmp_path / "files.json", np.random.default_rng(9)
    write_manifest(
        place, "satellite", "original", "none", [(tmp_path / name, "train", {}) for name in ("a.csv", "b.csv")]
    )
    content, said = read_json(place), 0
    for _ in range(200):
        place.write_text(json.dumps(mangled(content, rng)))
        said += bool(read_or_refused(place, RawFiles.open, place.read_text()[:300]))
    assert said > 80
