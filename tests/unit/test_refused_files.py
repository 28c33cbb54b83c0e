"""Files that are whole and yet not to be trusted: what is refused, why, and what is read all the same."""

import io
import json
import pickle
import struct
import tarfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from nasperf360.data.archives import unpack
from nasperf360.data.datasets import Dataset, DatasetWriter
from nasperf360.data.fetched import Fetched
from nasperf360.data.published import fetch_published
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.data.reading import MOST_NAMED, each
from nasperf360.errors import DataError
from nasperf360.files import digest_file, read_json
from nasperf360.tasks.fsd50k.wave import read_header, read_samples
from nasperf360.tasks.shared import pickles
from nasperf360.tasks.shared.cifar_archive import read_archive
from nasperf360.tasks.shared.matlab import read_matlab
from nasperf360.tasks.shared.matlab_v5 import matrices
from nasperf360.tasks.shared.pickles import load_arrays

# -- MATLAB and HDF5


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "i8", "?"])
def test_numbers_of_matlab_files_are_those_that_scipy_reads(
    tmp_path: Path, version: str, compressed: bool, dtype: str
) -> None:
    if version == "4" and dtype in ("i8", "?"):
        pytest.skip("MATLAB 4 has no such numbers")
    rng = np.random.default_rng(0)
    values = {"a": rng.integers(0, 100, (3, 4)).astype(dtype), "bc": rng.integers(0, 2, (5, 1)).astype(dtype)}
    if version == "5":
        values["cube"] = rng.integers(0, 9, (2, 3, 4)).astype(dtype)
    scipy.io.savemat(tmp_path / "a.mat", values, format=version, do_compression=compressed and version == "5")
    theirs, ours = scipy.io.loadmat(tmp_path / "a.mat"), read_matlab(tmp_path / "a.mat", *values)
    for name in values:
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours[name].dtype == (np.uint8 if dtype == "?" else theirs[name].dtype)


def test_real_matlab_files_are_read_as_scipy_does(samples: Path) -> None:
    for path, names in (
        (samples / "ninapro/NinaPro_DB1_S1_A1_E1.mat", ("emg", "restimulus", "rerepetition")),
        (samples / "ecg/training2017/A00001.mat", ("val",)),
        (samples / "darcy/piececonst_r421_N3_smooth1.mat", ("coeff", "sol")),
    ):
        ours = read_matlab(path, *names)
        theirs = scipy.io.loadmat(path)
        for name in names:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_matlab_file_of_version_7_3_has_the_axes_of_the_others(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["a"] = values.T
    np.testing.assert_array_equal(read_matlab(tmp_path / "a.mat", "a")["a"], values)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_shape_beyond_the_file_is_the_file_s_fault(tmp_path: Path, compressed: bool) -> None:
    """Not a MemoryError: 2^31 - 1 columns of doubles are 17 GB."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": np.ones((1, 7))})
    content = path.read_bytes().replace(struct.pack("<ii", 1, 7), struct.pack("<ii", 1, 2**31 - 1))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mat: 'a' has 56 bytes for 2147483647 values of 8"):
        read_matlab(path, "a")
    options = {"chunks": (10,), "compression": "gzip"} if compressed else {}
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape=(10,) if not compressed else (1 << 40,), dtype="f8", **options)
        file["a"][:10] = 1
    if compressed:
        with pytest.raises(DataError, match=r"a\.mat: 'a' of shape .* would take 8796093022208 bytes, but the file"):
            read_matlab(path, "a")


def external_link(file: h5py.Group, name: str, other: Path) -> None:
    file[name] = h5py.ExternalLink(str(other), "/a")


def soft_link(file: h5py.Group, name: str, other: Path) -> None:
    file["elsewhere"] = np.ones(3)
    file[name] = h5py.SoftLink("/elsewhere")


def external_values(file: h5py.Group, name: str, other: Path) -> None:
    file.create_dataset(name, (3,), "f8", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.Group, name: str, other: Path) -> None:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(other), "a", (3,))
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("plant", [external_link, soft_link, external_values, virtual])
def test_values_in_other_files_are_refused(tmp_path: Path, plant: Callable[[h5py.Group, str, Path], None]) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.arange(3.0)
    with h5py.File(tmp_path / "raw.mat", "w") as file:
        plant(file, "a", tmp_path / "other.h5")
    with pytest.raises(
        DataError, match=r"raw\.mat: .*'a' (is a link to elsewhere|lie in another file), which is refused"
    ):
        read_matlab(tmp_path / "raw.mat", "a")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1"])
@pytest.mark.parametrize("shape", [(2, 3, 30_000), (200_000, 2, 3), (4, 5)])
def test_slabs_are_the_parts_of_the_whole_array(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, compressed: bool
) -> None:
    """Smaller and larger ones than a piece that is read."""
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    scipy.io.savemat(tmp_path / "a.mat", {"other": np.ones(3), "a": values}, do_compression=compressed)
    slabs = [slab for matrix in matrices(tmp_path / "a.mat") if matrix.name == "a" for slab in matrix.slabs()]
    assert {slab.dtype for slab in slabs} == {values.dtype}
    np.testing.assert_array_equal(np.stack(slabs, axis=-1), values)


@pytest.mark.parametrize("values", [np.ones((2, 2), complex), np.array([["a"]]), np.array([[{"x": 1}]], object)])
def test_what_are_no_numbers_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"a": values})
    with pytest.raises(DataError, match=r"a\.mat: 'a' holds .*, an array of real or whole numbers is expected"):
        read_matlab(tmp_path / "a.mat", "a")


# -- pickles


def forged_type(code: str, state: tuple[Any, ...]) -> bytes:
    """A pickle of an array of three numbers, whose type is described by hand."""

    class Type:
        def __reduce__(self) -> Any:
            return np.dtype, (code, False, True), state

    class Array:
        def __reduce__(self) -> Any:
            rebuild = np.zeros(1).__reduce__()[0]
            return rebuild, (np.ndarray, (0,), b"b"), (1, (3,), Type(), False, bytes(24))

    return pickle.dumps(Array(), 2)


@pytest.mark.parametrize(
    ("code", "state", "message"),
    [
        ("f8", (3, "<", None, None, None, 8, 1, 0), "none of numbers or strings"),
        ("f8", (3, "<", None, ("a",), {"a": ("f8", 0)}, -1, -1, 0), "none of numbers or strings"),
        ("f8", (3, "<", (np.float64, (1 << 40,)), None, None, -1, -1, 0), "numpy.float64, which no array needs"),
        ("f8", (3, "<", None, None, None, -1, -1, 63), "none of numbers or strings"),
        ("f8", (4, "<", None, None, None, -1, -1, 0, {}), "none of numbers or strings"),
        ("V8", (3, "|", None, None, None, 8, 1, 16), "values of type 'V8'"),
        ("O8", (3, "|", None, None, None, -1, -1, 63), "an array without values"),
        ("S99999999", (3, "|", None, None, None, 99999999, 1, 0), "values of type"),
        ("f4", (3, "<", None, None, None, -1, -1, 0), "24 values for an array of 12"),
        ("M8", (4, "<", None, None, None, -1, -1, 0, ({}, ("D", 1, 1, 1))), "values of type 'M8'"),
    ],
)
def test_a_forged_type_is_refused(code: str, state: tuple[Any, ...], message: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=message):
        load_arrays(io.BytesIO(forged_type(code, state)), "latin1")


def test_a_type_as_numpy_writes_it_is_read() -> None:
    array = load_arrays(io.BytesIO(forged_type("f8", (3, "<", None, None, None, -1, -1, 0))), "latin1")
    np.testing.assert_array_equal(array, np.zeros(3))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # an object with the number 2^31 - 1
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
        b"\x80\x02cnumpy\nndarray\nK\x01\x85R.",
        b"\x80\x02cos\nsystem\nU\x02id\x85R.",
        b"\x80\x02X\x01\x00\x00\x00aQ.",
    ],
)
def test_nothing_that_a_pickle_names_is_called(content: bytes) -> None:
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        load_arrays(io.BytesIO(content), "latin1")


ATTRIBUTES = {
    "of its dictionary": b"}X\x01\x00\x00\x00aK\x01s",
    "by its setters": b"N}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86",
}


@pytest.mark.parametrize("name", sorted(pickles._ADMITTED))
@pytest.mark.parametrize("state", ATTRIBUTES)
def test_a_pickle_sets_no_attributes_of_what_it_names(tmp_path: Path, name: tuple[str, str], state: str) -> None:
    """What it names is shared with all pickles that are read later."""
    stands_for = pickles._ADMITTED[name]
    before = getattr(stands_for._function, "__defaults__", None), dict(vars(stands_for._function))
    content = b"\x80\x02c" + "\n".join(name).encode() + b"\n" + ATTRIBUTES[state] + b"b."
    (tmp_path / "a.pkl").write_bytes(content)
    sentence = r"a\.pkl: not a readable pickle of arrays \(it sets attributes of a function, which no"
    with open(tmp_path / "a.pkl", "rb") as stream, pytest.raises(DataError, match=sentence):
        pickles.read_pickle(tmp_path / "a.pkl", stream, "latin1")
    assert before == (getattr(stands_for._function, "__defaults__", None), dict(vars(stands_for._function)))
    assert not hasattr(stands_for, "__dict__")  # that another operation could fill


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_are_read(protocol: int) -> None:
    rng = np.random.default_rng(0)
    for array in (
        rng.random((3, 4)),
        np.asfortranarray(rng.random((3, 4))),
        rng.integers(0, 9, 5).astype(">i4"),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bc"]),
        np.array([True, False]),
        np.zeros((0, 3), np.uint8),
        rng.random(6).astype("f2"),
        np.float32(3),
        np.array([1, "x", None], object),
    ):
        content = pickle.dumps({"a": array, "b": [array, 1, "c"]}, protocol)
        expected, found = pickle.loads(content), load_arrays(io.BytesIO(content), "latin1")
        for theirs, ours in ((expected["a"], found["a"]), (expected["b"][0], found["b"][0])):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
            assert ours.flags.f_contiguous == theirs.flags.f_contiguous


@pytest.mark.parametrize("labels", [[1, [2, 3], 4], [[1], [2, 3], [4]], [1, None, 2], [1, "a", 2], [1, 2], [0.5, 1, 2]])
def test_labels_of_another_form(tmp_path: Path, labels: list[Any]) -> None:
    path = tmp_path / "cifar-100-python.tar.gz"
    content = pickle.dumps({b"data": np.zeros((3, 3072), np.uint8), b"fine_labels": labels}, 2)
    with tarfile.open(path, "w:gz") as archive:
        for name in ("train", "test"):
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with pytest.raises(DataError, match=r"cifar-100-python.tar.gz: cifar-100-python/train: "):
        read_archive(path)


# -- wave files


def sound(folder: Path, riff: int | None = None, data: int | None = None, cut: int = 0, tail: bytes = b"") -> Path:
    """A second of sound; other sizes in its header, bytes missing at its end, and others after it."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(np.arange(-500, 500, dtype=np.int16).tobytes())
    content = bytearray(stream.getvalue())
    if riff is not None:
        struct.pack_into("<I", content, 4, riff)
    if data is not None:
        struct.pack_into("<I", content, 40, data)
    path = folder / "1.wav"
    path.write_bytes(content[: len(content) - cut] + tail)
    return path


@pytest.mark.parametrize(
    ("riff", "data"),
    [(None, None), (0, None), (0xFFFFFFFF, None), (0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (7, None), (99_999, None)],
)
def test_sizes_that_a_writer_never_filled_in_are_read_around(
    tmp_path: Path, riff: int | None, data: int | None
) -> None:
    path = sound(tmp_path, riff, data)
    samples = read_samples(path, read_header(path))
    np.testing.assert_array_equal(np.round(samples[:, 0] * 32_768), np.arange(-500, 500))


def test_what_follows_the_samples_is_no_sound(tmp_path: Path) -> None:
    path = sound(tmp_path, riff=0, tail=b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert len(read_samples(path, read_header(path))) == 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cut": 1000}, "truncated: its header says 1000 samples, but 500 are there"),
        ({"data": 4000}, "truncated: its header says 2000 samples, but 1000 are there"),
        ({"cut": 2010}, "cannot be read as a wave file"),
        ({"cut": 2040}, "cannot be read as a wave file"),
    ],
)
def test_a_truncated_sound_is_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=rf"1\.wav: {message}"):
        read_header(sound(tmp_path, **changes))


# -- one among many


def test_all_faults_are_named_together() -> None:
    def check(number: int) -> int:
        if number % 3 == 1:
            raise DataError(f"/raw/{number}.wav: truncated")
        return number

    assert each([0, 2, 3], check) == [0, 2, 3]
    with pytest.raises(DataError, match=r"^/raw/1.wav: truncated$"):
        each([0, 1], check)
    with pytest.raises(DataError, match=r"^3 of 8 files are faulty: /raw/1.wav: truncated; /raw/4.wav: .*7.wav: trun"):
        each(range(8), check)
    with pytest.raises(DataError, match=f"; and {300 - MOST_NAMED} more$"):
        each(range(900), check)


# -- archives


def tar(folder: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return folder / "a.tar"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def zipped(folder: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return folder / "a.zip"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a", b"1"), ("a", b"2")], "'a' is there twice with different content"),
        ([("a", b"12"), ("a", b"1")], "'a' is there twice with different content"),
        ([("a", b"1"), ("a", b"12")], "'a' is there twice with different content"),
        ([("a", b"1"), ("a/b", b"2")], "'a/b' is a file and a folder at once"),
        ([("a/b", b"1"), ("a", b"2")], "'a' is a file and a folder at once"),
        ([(".", b"1")], "'.' is no"),
        ([("a" * 256, b"1")], "is longer than the 255 bytes"),
        ([(f"{'é' * 128}/b", b"1")], "is longer than the 255 bytes"),
        ([("/".join(["deep"] * 1000), b"1")], "truncated or damaged .* archive .*File name too long"),
        ([(".fetched/train.mat.json", b"{}")], "a name that the workflow keeps for its own records"),
        ([("./.fetched/x", b"{}")], "a name that the workflow keeps for its own records"),
        ([(".FETCHED/x", b"{}")], "a name that the workflow keeps for its own records"),
        ([("files.json", b"{}")], "a name that the workflow keeps for its own records"),
        ([("failure.json", b"{}")], "a name that the workflow keeps for its own records"),
        ([(".unpacking/x", b"{}")], "a name that the workflow keeps for its own records"),
        ([("a\nb", b"1")], "is no name of a file"),
    ],
)
def test_members_that_are_refused(
    tmp_path: Path, make: Callable[..., Path], members: list[tuple[str, bytes]], message: str
) -> None:
    archive = make(tmp_path, *members)
    with pytest.raises(DataError, match=f"{archive.name}: .*{message}"):
        unpack(archive, archive.suffix[1:], tmp_path / "out")
    assert not (tmp_path / ".fetched").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [tar, zipped])
def test_what_is_unpacked_all_the_same(tmp_path: Path, make: Callable[..., Path]) -> None:
    """One member twice with the same content, what operating systems leave, odd but harmless names."""
    junk = [("__MACOSX/._a", b"1"), ("d/._a", b"2"), ("d/.DS_Store", b"3"), ("Thumbs.db", b"4"), ("._.fetched", b"5")]
    archive = make(
        tmp_path, ("a", b"1"), *junk, ("a", b"1"), ("./d//b c", b"2"), (".hidden", b"3"), ("d/files.json", b"4")
    )
    files = unpack(archive, archive.suffix[1:], tmp_path / "out")
    names = [file.relative_to(tmp_path / "out").as_posix() for file in files]
    assert names == [".hidden", "a", "d/b c", "d/files.json"]


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    """A few bytes that stand for a terabyte."""
    info = tarfile.TarInfo("a")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    body = b"0\n".ljust(512, b"\0")
    info.size = len(body)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(body))
    with pytest.raises(DataError, match="'a' is stored as a sparse file, which is refused"):
        unpack(tmp_path / "a.tar", "tar", tmp_path / "out")


# -- lists of files


def test_a_record_that_leads_elsewhere_counts_for_nothing(tmp_path: Path) -> None:
    """An archive may not say what came, nor make us read or trust a file outside of the folder."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    records = Fetched(tmp_path / "raw")
    records.path("a").parent.mkdir(parents=True)
    for path in ("../secret", str(secret), ".fetched/a.json", "", 3, None):
        entry = {"path": path, "sha256": digest_file(secret)}
        records.path("a").write_text(json.dumps({"key": [], "files": [entry], "address": "", "checked": True}))
        assert records.intact("a", []) is None


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", ".fetched/a.json", "a/../../b", "", ".", "a//b", "files.json"]
)
def test_a_list_of_raw_files_stays_inside(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a").write_text("x")
    write_manifest(tmp_path / "raw/files.json", "ecg", "original", "none", [(tmp_path / "raw/a", "records", {})])
    content = read_json(tmp_path / "raw/files.json")
    content["files"][0]["path"] = path
    (tmp_path / "raw/files.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"raw/files.json: '.*' (leads out|is a name|is no)"):
        RawFiles.open(tmp_path / "raw/files.json")


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:40], lambda text: "[]", lambda text: "{}"])
def test_a_damaged_list_of_raw_files_names_the_data_set_to_make_anew(
    tmp_path: Path, damage: Callable[[str], str]
) -> None:
    manifest = tmp_path / "raw/cifar100/files.json"
    manifest.parent.mkdir(parents=True)
    write_manifest(manifest, "cifar100", "simulated", "none", [])
    manifest.write_text(damage(manifest.read_text()))
    with pytest.raises(DataError, match=rf"{manifest}: no list .*; delete {manifest} and .* --force {tmp_path}/data/c"):
        RawFiles.open(manifest)
    with pytest.raises(DataError, match=r"--force results/a/data/spherical\.json, with"):
        RawFiles.open(manifest, "results/a/data/spherical.json")


def test_a_raw_file_that_changed_names_the_data_set_to_make_anew(tmp_path: Path) -> None:
    file, manifest = tmp_path / "raw/ecg/a", tmp_path / "raw/ecg/files.json"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    write_manifest(manifest, "ecg", "simulated", "none", [(file, "records", {})])
    file.write_text("y")
    with pytest.raises(DataError, match=rf"{file}: its content changed.* --force {tmp_path}/data/ecg\.json, with"):
        RawFiles.open(manifest).verify()


# -- data sets


def write_set(folder: Path) -> Path:
    path, rng = folder / "ecg.h5", np.random.default_rng(0)
    with DatasetWriter(path, task="ecg", origin="simulated", licence="none", parameters={}, sources={}) as writer:
        for name in ("train", "valid", "test"):
            split = writer.split(name, x=((1, 6), "float32"), y=((), "int64"), group=((), "int64"), classes=4)
            x = rng.normal(size=(5, 1, 6)).astype(np.float32)
            split.append(x=x, y=rng.integers(0, 4, 5), group=np.arange(5))
    return path


Change = Callable[[h5py.File, dict[str, Any], Path], None]


def replaced(name: str, values: np.ndarray, *, follow: bool = True) -> Change:
    """Another array in a place, and, with ``follow``, a manifest that says so."""

    def change(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
        split, field = name.split("/")
        if name in file:
            del file[name]
        file[name] = values
        if follow:
            entry = {"shape": list(values.shape[1:]), "dtype": str(values.dtype)}
            manifest["splits"][split]["fields"][field] = entry

    return change


def said(**changes: Any) -> Change:
    return lambda file, manifest, folder: manifest.update(changes)


def without(key: str) -> Change:
    return lambda file, manifest, folder: manifest.pop(key)


def in_split(**changes: Any) -> Change:
    return lambda file, manifest, folder: manifest["splits"]["train"].update(changes)


def in_field(**changes: Any) -> Change:
    return lambda file, manifest, folder: manifest["splits"]["train"]["fields"]["x"].update(changes)


def planted(plant: Callable[[h5py.Group, str, Path], None], name: str = "x") -> Change:
    def change(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
        with h5py.File(folder / "other.h5", "w") as other:
            other["a"] = np.zeros((5, 1, 6), np.float32)
        del file[f"train/{name}"]
        plant(file["train"], name, folder / "other.h5")

    return change


def far_values(group: h5py.Group, name: str, other: Path) -> None:
    group.create_dataset(name, (5, 1, 6), "f4", external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def linked_split(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
    file.move("train", "hidden")
    file["train"] = h5py.SoftLink("/hidden")


def split_as_array(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
    del file["train"]
    file["train"] = LABELS


def field_as_group(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
    del file["train/x"]
    file.create_group("train/x")


def huge(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
    del file["train/x"]
    file["train"].create_dataset("x", (1 << 40, 1, 6), "f4", chunks=(5, 1, 6))[:5] = 0


def dropped(name: str, *, follow: bool) -> Change:
    def change(file: h5py.File, manifest: dict[str, Any], folder: Path) -> None:
        del file[name]
        if follow:
            holder: Any = manifest["splits"]
            *above, last = name.replace("/", "/fields/").split("/")
            for key in above:
                holder = holder[key]
            del holder[last]

    return change


FLOATS, LABELS = np.zeros((5, 1, 6), np.float32), np.zeros(5, np.int64)
ALTERED: dict[str, Change] = {
    "x shorter": replaced("train/x", FLOATS[:4]),
    "y shorter": replaced("train/y", LABELS[:4]),
    "group longer": replaced("train/group", np.arange(6)),
    "label too large": replaced("train/y", LABELS + 4),
    "label negative": replaced("test/y", LABELS - 1),
    "labels enormous": replaced("valid/y", LABELS + 2**62),
    "labels real": replaced("train/y", LABELS.astype(float)),
    "complex x": replaced("train/x", FLOATS.astype(complex)),
    "text x": replaced("train/x", np.full((5, 1, 6), b"a")),
    "objects": replaced("train/group", np.array([b"1"] * 5, object), follow=False),
    "compound y": replaced("train/y", np.zeros(5, [("a", "i8")])),
    "NaN": replaced("train/x", FLOATS * np.nan),
    "infinity": replaced("test/x", FLOATS + np.inf),
    "other shape": replaced("train/x", np.zeros((5, 2, 6), np.float32), follow=False),
    "other type": replaced("train/x", FLOATS.astype(float), follow=False),
    "type of one split": replaced("valid/x", FLOATS.astype(float)),
    "axes of one split": replaced("valid/x", FLOATS[..., None]),
    "scalar x": replaced("train/x", np.array(1.0), follow=False),
    "no x": dropped("train/x", follow=True),
    "no y": dropped("test/y", follow=True),
    "x lost": dropped("train/x", follow=False),
    "no test": dropped("test", follow=True),
    "valid lost": dropped("valid", follow=False),
    "one more field": replaced("train/more", LABELS, follow=False),
    "one more split": lambda file, manifest, folder: file.create_group("more"),
    "external link": planted(external_link),
    "external values": planted(far_values),
    "external group": planted(external_link, "group"),
    "linked split": linked_split,
    "declared huge": huge,
    "split is an array": split_as_array,
    "field is a group": field_as_group,
    "origin null": said(origin=None),
    "origin misspelt": said(origin="simulatd"),
    "origin a list": said(origin=["original"]),
    "task null": said(task=None),
    "task another": said(task="satellite"),
    "licence empty": said(licence=""),
    "licence a number": said(licence=4),
    "splits null": said(splits=None),
    "splits a list": said(splits=[]),
    "splits empty": said(splits={}),
    "bytes a text": said(bytes="3"),
    "bytes true": said(bytes=True),
    "digest short": said(sha256="abc"),
    "digest a number": said(sha256=7),
    "samples wrong": in_split(samples=6),
    "samples zero": in_split(samples=0),
    "samples a text": in_split(samples="5"),
    "fields null": in_split(fields=None),
    "fields empty": in_split(fields={}),
    "dtype unknown": in_field(dtype="float128"),
    "dtype null": in_field(dtype=None),
    "shape null": in_field(shape=None),
    "shape negative": in_field(shape=[-1, 6]),
    "shape of texts": in_field(shape=["1", "6"]),
    **{f"no {key}": without(key) for key in ("task", "origin", "licence", "splits", "bytes", "sha256")},
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_data_set_is_refused_when_fetched_and_when_opened(tmp_path: Path, name: str) -> None:
    """With size and digest of what was altered: not damage, but the work of somebody."""
    path = write_set(tmp_path / "published")
    manifest = read_json(path.with_suffix(".json"))
    with h5py.File(path, "r+") as file:
        before = dict(manifest)
        ALTERED[name](file, manifest, tmp_path)
    for key, value in (("bytes", path.stat().st_size), ("sha256", digest_file(path))):
        if manifest.get(key) == before[key]:
            manifest[key] = value
    path.with_suffix(".json").write_text(json.dumps(manifest))
    target = tmp_path / "data/ecg.h5"
    with pytest.raises(DataError, match=r"ecg\.(h5|json)") as caught:
        fetch_published("ecg", target, str(path.parent), {}, progress=False)
    assert "; have it published again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    assert not target.with_suffix(".json").exists()
    if name == "task another":
        return
    with pytest.raises(DataError, match=r"ecg\.(h5|json)"), Dataset(path) as data:
        data.verify(classes=4)


def test_what_was_not_altered_is_fetched_and_opened(tmp_path: Path) -> None:
    path, target = write_set(tmp_path / "published"), tmp_path / "data/ecg.h5"
    fetch_published("ecg", target, str(path.parent), {}, progress=False)
    with Dataset(target) as data:
        data.verify(classes=4)
