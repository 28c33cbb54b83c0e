"""Unpacking: whole or one clear error, never outside the folder."""

import io
import shutil
import struct
import subprocess
import tarfile
import zipfile

import numpy as np
import pytest

from nasperf360.data.archives import unpack
from nasperf360.errors import DataError

CONTENT = {
    "data/a.bin": np.random.default_rng(0).bytes(150_000),
    "data/sub/b.bin": np.random.default_rng(1).bytes(90_000),
    "c.txt": b"hello\n",
}


def make_tar(path, mode, members=CONTENT):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def make_zip(path, members=CONTENT):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make(folder, packing):
    path = folder / f"archive.{packing}"
    return make_zip(path) if packing == "zip" else make_tar(path, {"tar": "w", "tar.gz": "w:gz"}[packing])


def unpacked(files, folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("packing", ["zip", "tar", "tar.gz"])
def test_unpacks_all_files(tmp_path, packing):
    files = unpack(make(tmp_path, packing), packing, tmp_path / "out")
    assert files == sorted(files)
    assert unpacked(files, tmp_path / "out") == CONTENT


@pytest.mark.parametrize("packing", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_truncated_archives_are_named(tmp_path, packing, kept):
    path = make(tmp_path, packing)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    if packing == "tar" and kept == 0.999:  # tar pads with zero blocks: only those are cut
        kept_files = unpack(path, packing, tmp_path / "out")
        assert unpacked(kept_files, tmp_path / "out") == CONTENT
        return
    with pytest.raises(DataError, match=rf"archive\.{packing}: truncated or damaged {packing} archive"):
        unpack(path, packing, tmp_path / "out")


def test_a_tar_cut_between_two_members_is_truncated(tmp_path):
    path = make_tar(tmp_path / "a.tar", "w")
    with tarfile.open(path) as tar:
        end_of_first = tar.getmembers()[1].offset
    path.write_bytes(path.read_bytes()[:end_of_first])
    with pytest.raises(DataError, match="truncated or damaged"):
        unpack(path, "tar", tmp_path / "out")


@pytest.mark.parametrize("packing", ["zip", "tar.gz"])
def test_damage_inside_is_found(tmp_path, packing):
    path = make(tmp_path, packing)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="truncated or damaged"):
        unpack(path, packing, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_members_cannot_leave_the_folder(tmp_path, name):
    folder = tmp_path / "deep" / "out"
    for path, packing in (
        (make_zip(tmp_path / "a.zip", {name: b"x"}), "zip"),
        (make_tar(tmp_path / "a.tar", "w", {name: b"x"}), "tar"),
    ):
        with pytest.raises(DataError, match="leads out of"):
            unpack(path, packing, folder)
    assert not list(tmp_path.rglob("evil"))


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="'passwd' is a link"):
        unpack(tmp_path / "a.tar", "tar", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("passwd")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="'passwd' is a link"):
        unpack(tmp_path / "a.zip", "zip", tmp_path / "out")


def test_an_archive_without_files(tmp_path):
    with pytest.raises(DataError, match="holds no files"):
        unpack(make_zip(tmp_path / "a.zip", {"__MACOSX/x": b"junk"}), "zip", tmp_path / "out")


def split_by_hand(folder, cut):
    """A two-part split zip: the parts of a plain one, its offsets rewritten to (part, offset in the part)."""
    content = bytearray(make_zip(folder / "whole.zip").read_bytes())
    with zipfile.ZipFile(folder / "whole.zip") as archive:
        directory, members = archive.start_dir, archive.infolist()
    place = directory
    for member in members:
        if member.header_offset >= cut:
            struct.pack_into("<H", content, place + 34, 1)
            struct.pack_into("<L", content, place + 42, member.header_offset - cut)
        name, extra, comment = struct.unpack_from("<HHH", content, place + 28)
        place += 46 + name + extra + comment
    struct.pack_into("<HH", content, place + 4, 1, 1)
    struct.pack_into("<L", content, place + 16, directory - cut)
    (folder / "s.z01").write_bytes(content[:cut])
    (folder / "s.zip").write_bytes(content[cut:])
    return [folder / "s.z01", folder / "s.zip"]


@pytest.mark.parametrize("cut", [1000, 150_200, 200_000])
def test_split_zip_made_by_hand(tmp_path, cut):
    files = unpack(split_by_hand(tmp_path, cut), "splitzip", tmp_path / "out")
    assert unpacked(files, tmp_path / "out") == CONTENT


@pytest.mark.parametrize("options", [[], ["-fz"]], ids=["plain", "zip64"])
@pytest.mark.skipif(shutil.which("zip") is None, reason="no program `zip` (apt-get install zip)")
def test_split_zip_made_by_info_zip(tmp_path, options):
    for name, content in CONTENT.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    subprocess.run(["zip", "-q", *options, "-s", "64k", "-r", "../s.zip", "."], cwd=tmp_path / "in", check=True)
    parts = [*sorted(tmp_path.glob("s.z0*")), tmp_path / "s.zip"]
    assert len(parts) > 3
    assert (b"PK\x06\x07" in parts[-1].read_bytes()) == bool(options)
    assert unpacked(unpack(parts, "splitzip", tmp_path / "out"), tmp_path / "out") == CONTENT
    with pytest.raises(DataError, match=r"s\.zip: truncated or damaged splitzip"):
        unpack([parts[0], *parts[2:]], "splitzip", tmp_path / "other")
