"""What people really have on disk: mirrors with leftovers of systems, joined and unpacked archives, text of Windows."""

import hashlib
import io
import os
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from task_rooms import listed, preprocess, simulate

from nasperf360.data import transfer
from nasperf360.data.download import fetch
from nasperf360.data.raw import RawFiles
from nasperf360.data.sources import Source
from nasperf360.errors import DataError
from nasperf360.registry import names
from nasperf360.tasks.ecg.data import read_record
from nasperf360.tasks.shared.matlab import read_matlab
from nasperf360.tasks.shared.task_spec import task_spec
from unit.test_archives import CONTENT, make_zip, split_by_hand

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(139)
SMALL = {
    "cifar100": {"train": 20, "test": 10, "classes": 2},
    "ninapro": {"subjects": 2, "repetitions": 2, "movement_seconds": 1, "rest_seconds": 1},
    "fsd50k": {"train": 3, "valid": 2, "test": 2, "seconds": [0.3, 0.6]},
    "darcy": {"resolution": 21, "stride": 4, "train": 4, "valid": 2, "test": 2},
    "psicov": {"deepcov": 3, "psicov": 1, "length": [40, 44]},
    "cosmic": {"train": 10, "test": 3, "tile": 32},
    "ecg": {"counts": [6, 3, 4, 2], "seconds": [4, 5]},
    "satellite": {"train": 30, "test": 10},
    "deepsea": {"train": 60, "valid": 20, "test": 20},
}
OPTIONS = {
    "ninapro": {"windows": 60},
    "fsd50k": {"n_mels": 32, "hop": 441},
    "psicov": {"crop": 24, "test_size": 64, "valid": 1},
    "cosmic": {"crop": 16},
    "ecg": {"window": 300, "stride": 200},
    "deepsea": {"train_fraction": 1.0, "keep_negatives": True, "length": 100},
}


def add_leftovers(folder: Path) -> None:
    """What a Mac leaves on exFAT or SMB beside each file, and Finder and Windows in each folder."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.with_name("._" + path.name).write_bytes(APPLE_DOUBLE)
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (place / name).write_bytes(bytes(8))
        (place / "__MACOSX").mkdir()
        (place / "__MACOSX" / "._x.csv").write_bytes(APPLE_DOUBLE)


def mirrored(raw: RawFiles, mirror: Path) -> Source:
    """A mirror with the raw files of a task, in folders as they are, and the source that describes it."""
    folder = mirror / raw.task
    entries = {}
    roles = {(file.relative.partition("/")[0], file.role) for file in raw.files}
    for file in raw.files:
        top = file.relative.partition("/")[0]
        target = folder / file.relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.path, target)
        of_one_role = sum(name == top for name, _ in roles) == 1
        packed = {"name": f"{top}.zip", "unpack": "zip"}
        entry = packed if of_one_role and top != file.relative else {"name": file.relative}
        entries[entry["name"]] = {**entry, "role": file.role, "options": dict(file.options)}
    return Source.parse(raw.task, {"licence": "none", "files": list(entries.values())})


@pytest.mark.parametrize("task", [task for task in names("tasks") if task in SMALL])
def test_leftovers_of_systems_in_a_mirror_change_nothing(task: str, tmp_path: Path) -> None:
    raw = simulate(task, tmp_path / "simulated", SMALL[task])
    source = mirrored(raw, tmp_path / "mirror")
    options = OPTIONS.get(task, {})
    with preprocess(task, raw, tmp_path / "expected.h5", options) as data:
        expected = data.manifest["splits"]
    add_leftovers(tmp_path / "mirror")
    found = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert {file.relative for file in found.files} == {file.relative for file in raw.files}
    with preprocess(task, found, tmp_path / "found.h5", options) as data, h5py.File(tmp_path / "expected.h5") as other:
        assert data.manifest["splits"] == expected
        for split in ("train", "valid", "test"):
            np.testing.assert_array_equal(data.split(split).load("x"), other[split]["x"][()])


def test_raw_files_listed_before_are_read_without_leftovers(tmp_path: Path) -> None:
    """A list that an earlier version wrote may name them."""
    raw = simulate("satellite", tmp_path, SMALL["satellite"])
    files = []
    for file in raw.files:
        double = file.path.with_name("._" + file.path.name)
        double.write_bytes(APPLE_DOUBLE)
        files += [(file.path, file.role, {}), (double, file.role, {})]
    assert listed("satellite", tmp_path, files).one("train", "*.csv").path.name[:2] != "._"


@pytest.mark.parametrize("file_systems", ["same", "other", "without links"])
def test_a_mirror_folder_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_systems: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    if file_systems != "same":
        monkeypatch.setattr(transfer.os, "link", fail)
    if file_systems == "without links":
        monkeypatch.setattr(transfer.os, "symlink", fail)
    folder = tmp_path / "mirror/ecg"
    (folder / "records").mkdir(parents=True)
    (folder / "records/a.mat").write_bytes(b"1")
    (folder / "labels.csv").write_bytes(b"2")
    entries = [{"name": "records.zip", "role": "records", "unpack": "zip"}, {"name": "labels.csv", "role": "labels"}]
    source = Source.parse("ecg", {"licence": "none", "files": entries})
    for _ in range(2):
        raw = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
        raw.verify()
    assert [file.relative for file in raw.files] == ["labels.csv", "records/a.mat"]
    assert all(file.path.samefile(folder / file.relative) == (file_systems != "without links") for file in raw.files)
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [
        ".fetched",
        "files.json",
        "labels.csv",
        "records",
    ]
    shutil.rmtree(tmp_path / "raw")
    assert (folder / "records/a.mat").read_bytes() == b"1"


def test_a_replaced_file_of_a_mirror_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "mirror/ecg/a.mat"
    path.parent.mkdir(parents=True)
    source = Source.parse("ecg", {"licence": "none", "files": [{"name": "a.mat", "role": "records"}]})
    for content in (b"1", b"22", b"333"):
        path.write_bytes(content)
        raw = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
        assert raw.files[0].path.read_bytes() == content
        raw.verify()


@pytest.mark.parametrize("given", ["~/mirror", "$HOME/mirror", "${HOME}/mirror/"])
def test_home_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mirror/ecg").mkdir(parents=True)
    (tmp_path / "mirror/ecg/a.mat").write_bytes(b"1")
    source = Source.parse("ecg", {"licence": "none", "files": [{"name": "a.mat", "role": "records"}]})
    RawFiles.open(fetch(source, tmp_path / "raw", given, progress=False)).verify()


def split_source(**checksums: str) -> Source:
    entries = [{"name": name, "role": "audio", "unpack": "splitzip"} for name in ("s.z01", "s.zip")]
    entries[1].update(checksums)
    return Source.parse("fsd50k", {"licence": "none", "files": entries})


@pytest.mark.parametrize("with_parts", [False, True])
def test_a_split_zip_that_was_joined(tmp_path: Path, with_parts: bool) -> None:
    """``zip -s 0 s.zip --out joined.zip``, then named like the last part, whose checksum is another one's."""
    folder = tmp_path / "mirror/fsd50k"
    folder.mkdir(parents=True)
    parts = split_by_hand(folder, 150_200)
    md5 = hashlib.md5(parts[1].read_bytes()).hexdigest()
    whole = folder / "whole.zip"
    if not with_parts:
        parts[0].unlink()
    os.replace(whole, parts[1])
    raw = RawFiles.open(fetch(split_source(md5=md5), tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert {file.relative: file.path.read_bytes() for file in raw.files} == CONTENT


def test_the_last_part_of_a_split_zip_is_no_joined_one(tmp_path: Path) -> None:
    folder = tmp_path / "mirror/fsd50k"
    folder.mkdir(parents=True)
    parts = split_by_hand(folder, 150_200)
    (folder / "whole.zip").unlink()
    raw = RawFiles.open(fetch(split_source(), tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert {file.relative: file.path.read_bytes() for file in raw.files} == CONTENT
    parts[0].unlink()
    with pytest.raises(Exception, match=r"s\.z01: not in the mirror"):
        fetch(split_source(), tmp_path / "other", str(tmp_path / "mirror"), progress=False)


def test_a_zip_with_the_same_member_twice(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("c.txt", CONTENT["c.txt"])
    source = Source.parse("ecg", {"licence": "none", "files": [{"name": "a.zip", "role": "r", "unpack": "zip"}]})
    folder = tmp_path / "mirror/ecg"
    folder.mkdir(parents=True)
    shutil.copy(path, folder)
    raw = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert {file.relative: file.path.read_bytes() for file in raw.files} == CONTENT


@pytest.mark.parametrize("task", ["cifar100", "spherical"])
def test_cifar_unpacked(tmp_path: Path, task: str) -> None:
    raw = simulate("cifar100", tmp_path / "simulated", SMALL["cifar100"])
    options = {"bandwidth": 4, "images_per_rotation": 5} if task == "spherical" else {}
    mirror = tmp_path / "mirror/cifar100"
    with tarfile.open(raw.files[0].path) as archive:
        archive.extractall(mirror, filter="data")
    add_leftovers(mirror)
    entry = {"name": "cifar-100-python.tar.gz", "role": "archive", "md5": "0" * 32}
    source = Source.parse("cifar100", {"licence": "none", "files": [entry]})
    found = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert "cifar-100-python/train" in [file.relative for file in found.files]
    with (
        preprocess(task, raw, tmp_path / "a.h5", options) as packed,
        preprocess(task, found, tmp_path / "b.h5", options) as unpacked,
    ):
        for split in ("train", "valid", "test"):
            for field in ("x", "y"):
                np.testing.assert_array_equal(unpacked.split(split).load(field), packed.split(split).load(field))
    (tmp_path / "raw/cifar-100-python/test").write_bytes(b"x")
    (tmp_path / "raw/cifar-100-python/test").unlink()
    (mirror / "cifar-100-python/test").unlink()
    lacking = RawFiles.open(fetch(source, tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    with pytest.raises(DataError, match=r"neither this nor another file of role 'archive' is a test$"):
        preprocess(task, lacking, tmp_path / "c.h5", options)


def windows_text(path: Path) -> None:
    """A text file as Excel or Notepad saves it."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("task", ["satellite", "fsd50k", "ecg", "psicov"])
def test_text_with_a_byte_order_mark_and_other_ends_of_lines(task: str, tmp_path: Path) -> None:
    raw = simulate(task, tmp_path / "simulated", SMALL[task])
    with preprocess(task, raw, tmp_path / "a.h5", OPTIONS.get(task, {})) as data:
        before = {
            split: {field: data.split(split).load(field) for field in "xy"} for split in ("train", "valid", "test")
        }
    texts = [file for file in raw.files if file.path.suffix in (".csv", ".lst")]
    assert texts
    for file in texts:
        windows_text(file.path)
    files = [(file.path, file.role, dict(file.options)) for file in raw.files]
    changed = listed(task, tmp_path / "simulated", files)
    with preprocess(task, changed, tmp_path / "b.h5", OPTIONS.get(task, {})) as data:
        for split, fields in before.items():
            for field, values in fields.items():
                np.testing.assert_array_equal(data.split(split).load(field), values)


def test_names_are_matched_whole(tmp_path: Path) -> None:
    """FSD50K's metadata have a collection_eval.csv beside the ground truth's eval.csv."""
    files = []
    for name in ("ground_truth/eval.csv", "metadata/collection_eval.csv", "ground_truth/eval.csv.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        files.append((tmp_path / name, "ground_truth", {}))
    raw = listed("fsd50k", tmp_path, files)
    assert raw.one("ground_truth", "eval.csv").relative == "ground_truth/eval.csv"
    assert len(raw.all("ground_truth", "*.csv")) == 2


def save_73(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As MATLAB's ``save -v7.3``: HDF5 behind 512 bytes of text, axes in reverse."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values.T, compression="gzip")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<HH", 0x0200, 0x4D49)
    path.write_bytes(head.ljust(512, b"\0") + stream.getvalue()[512:])


@pytest.mark.parametrize("task", ["ninapro", "darcy", "ecg", "deepsea"])
@pytest.mark.parametrize("version", ["7", "7.3"])
def test_matlab_files_of_every_version(task: str, version: str, tmp_path: Path) -> None:
    """Saved again by MATLAB, where numbers become doubles (as of ECG) and files of version 7 or 7.3."""
    raw = simulate(task, tmp_path / "simulated", SMALL[task])
    options = OPTIONS.get(task, {})
    with preprocess(task, raw, tmp_path / "a.h5", options) as data:
        before = {split: data.split(split).load("x") for split in ("train", "valid", "test")}
    variables = {"ninapro": ("emg", "restimulus", "rerepetition"), "darcy": ("coeff", "sol"), "ecg": ("val",)}
    for file in raw.files:
        if file.path.suffix == ".mat":
            prefix = file.path.stem
            arrays = read_matlab(file.path, *variables.get(task, (f"{prefix}xdata", f"{prefix}data")))
            if task == "ecg":
                arrays = {name: values.astype(float) for name, values in arrays.items()}
            if version == "7.3":
                save_73(file.path, arrays)
            else:
                scipy.io.savemat(file.path, arrays, do_compression=True)
    changed = listed(task, tmp_path / "simulated", [(f.path, f.role, dict(f.options)) for f in raw.files])
    with preprocess(task, changed, tmp_path / "b.h5", options) as data:
        for split, values in before.items():
            np.testing.assert_array_equal(data.split(split).load("x"), values)


def test_a_record_with_fractions_is_refused(tmp_path: Path) -> None:
    for values in (np.full((1, 9), 0.5), np.full((1, 9), 40_000.0), np.full((1, 9), np.inf)):
        scipy.io.savemat(tmp_path / "A1.mat", {"val": values})
        with pytest.raises(DataError, match=r"A1\.mat: 'val' is float64 of shape \(9,\), expected int16"):
            read_record(tmp_path / "A1.mat")


def test_small_sizes_know_every_task_with_a_simulator() -> None:
    assert {task for task in names("tasks") if task_spec(task).simulate} == set(SMALL)
