"""Raw files from a site or a mirror: resumed, verified, unpacked, listed; each fault one line."""

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest

from nasperf360.data import transfer, web
from nasperf360.data.download import fetch
from nasperf360.data.raw import RawFiles
from nasperf360.data.sources import Source
from nasperf360.errors import DataError, UserError
from services.files import file_server

CONTENT = np.random.default_rng(0).bytes(400_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(web, "PATIENCE", web.PATIENCE.new(backoff_factor=0))


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "train.mat").write_bytes(CONTENT)
    with file_server(folder) as server:
        yield server


def source_of(*files, task="ecg"):
    entries = [{"role": "records", **file} for file in files]
    return Source.parse(task, {"licence": "ODC-BY 1.0", "files": entries})


def train(site, **changes):
    return {"name": "train.mat", "url": f"{site.url}/train.mat", **changes}


def make_zip(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def get(source, tmp_path, mirror=""):
    return RawFiles.open(fetch(source, tmp_path / "raw" / source.task, str(mirror), progress=False))


def test_download_is_listed_with_role_options_and_digest(site, tmp_path):
    raw = get(source_of(train(site, md5=MD5, bytes=len(CONTENT), options={"rows": [0, 5]})), tmp_path)
    raw.verify()
    file = raw.one("records")
    assert (raw.origin, raw.licence, file.relative) == ("original", "ODC-BY 1.0", "train.mat")
    assert file.options == {"rows": [0, 5]}
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert sorted(path.name for path in (tmp_path / "raw/ecg").iterdir()) == [".fetched", "files.json", "train.mat"]


def test_a_broken_connection_resumes_where_it_stopped(site, tmp_path):
    site.cut_after = 150_000
    get(source_of(train(site, md5=MD5)), tmp_path).verify()
    assert site.requests == [("/train.mat", range) for range in (None, "bytes=150000-", "bytes=300000-")]
    assert (tmp_path / "raw/ecg/train.mat").read_bytes() == CONTENT


def test_a_killed_download_resumes(tmp_path):
    """SIGKILL while bytes arrive: the next run asks for the rest only."""
    (tmp_path / "site").mkdir()
    content = np.random.default_rng(1).bytes(8 << 20)
    (tmp_path / "site/train.mat").write_bytes(content)
    with file_server(tmp_path / "site") as site:
        script = (
            "import sys, time; from pathlib import Path; from nasperf360.data import web\n"
            "from nasperf360.data.sources import SourceFile\n"
            "pour = web.pour\n"
            "def slow(blocks, writer, bar):\n"
            "    def wait():\n"
            "        for block in blocks:\n"
            "            yield block\n"
            "            writer.flush(); time.sleep(0.2)\n"
            "    pour(wait(), writer, bar)\n"
            "web.pour = slow\n"
            "web.download(sys.argv[1], Path(sys.argv[2]), SourceFile('train.mat', 'x'), False)\n"
        )
        target = tmp_path / "raw/ecg/train.mat"
        part = target.with_name("train.mat.part")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script, f"{site.url}/train.mat", str(target)]
        with subprocess.Popen(command, env=environment) as process:
            while not (part.exists() and part.stat().st_size >= 2 << 20):
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        came = part.stat().st_size
        assert 0 < came < len(content)
        get(source_of(train(site)), tmp_path)
        assert site.requests[-1] == ("/train.mat", f"bytes={came}-")
        assert target.read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"md5": "0" * 32}, DataError, rf"wrong checksum: md5 {MD5}, but 0{{32}} is expected; run the same command"),
        ({"sha256": "0" * 64}, DataError, "wrong checksum: sha256"),
        ({"bytes": 7}, DataError, "the server offers 400000 bytes, but 7 are expected"),
        ({"url": "http://127.0.0.1:1/train.mat"}, UserError, r"127.0.0.1:1/train.mat: cannot be reached .* 'mirror'"),
        ({"url": "http://nowhere.invalid/train.mat"}, UserError, "nowhere.invalid/train.mat: cannot be reached"),
        ({"url": ""}, UserError, r"'train.mat' has no url; get it by hand and set 'mirror'"),
    ],
)
def test_faults_of_a_download_are_one_line(site, tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as caught:
        get(source_of(train(site, **changes)), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw/ecg/files.json").exists()
    assert not (tmp_path / "raw/ecg/train.mat").exists()


def test_a_wrong_checksum_does_not_poison_the_next_attempt(site, tmp_path):
    (site.folder / "train.mat").write_bytes(b"garbage")
    with pytest.raises(DataError):
        get(source_of(train(site, md5=MD5)), tmp_path)
    (site.folder / "train.mat").write_bytes(CONTENT)
    get(source_of(train(site, md5=MD5)), tmp_path).verify()


def test_missing_page_and_web_page(site, tmp_path):
    with pytest.raises(UserError, match=r"gone.mat: the server answers 404 .*; correct the entry of 'train.mat'"):
        get(source_of(train(site, url=f"{site.url}/gone.mat")), tmp_path)
    (site.folder / "login.html").write_text("<html>")
    with pytest.raises(DataError, match=r"login.html: the server sends a web page, not train.mat"):
        get(source_of(train(site, url=f"{site.url}/login.html")), tmp_path)


def test_a_full_disk_is_one_line(site, tmp_path, monkeypatch):
    def full(blocks, writer, bar):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(web, "pour", full)
    monkeypatch.setattr(transfer, "pour", full)
    for way in ("link", "symlink"):
        monkeypatch.setattr(transfer.os, way, lambda *_: full(None, None, None))
    with pytest.raises(UserError, match=r"train.mat.part: the disk is full; free some space"):
        get(source_of(train(site)), tmp_path)
    mirror = tmp_path / "mirror"
    (mirror / "ecg").mkdir(parents=True)
    (mirror / "ecg/train.mat").write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"train.mat: the disk is full"):
        get(source_of({"name": "train.mat"}), tmp_path, mirror)


def test_files_that_came_are_not_fetched_again(site, tmp_path):
    make_zip(site.folder / "more.zip", {"more/a": b"a", "more/b": b"b"})
    more = {"name": "more.zip", "url": f"{site.url}/more.zip", "unpack": "zip", "role": "more"}
    missing = train(site, name="late.mat", url=f"{site.url}/late.mat")
    source = source_of(train(site), more, missing)
    with pytest.raises(UserError, match="404"):
        get(source, tmp_path)
    (site.folder / "late.mat").write_bytes(b"late")
    raw = get(source, tmp_path)
    assert [path for path, _ in site.requests] == ["/train.mat", "/more.zip", "/late.mat", "/late.mat"]
    assert [file.relative for file in raw.files] == ["late.mat", "more/a", "more/b", "train.mat"]
    # A file lost or changed since comes again, the others do not.
    (tmp_path / "raw/ecg/more/a").write_bytes(b"!")
    get(source, tmp_path).verify()
    assert [path for path, _ in site.requests][4:] == ["/more.zip"]


def test_leftovers_of_another_origin_are_not_taken_for_the_file(site, tmp_path):
    (tmp_path / "raw/ecg").mkdir(parents=True)
    (tmp_path / "raw/ecg/train.mat").write_bytes(b"simulated")
    get(source_of(train(site)), tmp_path)
    assert (tmp_path / "raw/ecg/train.mat").read_bytes() == CONTENT


def test_archives_are_removed_once_unpacked(site, tmp_path):
    make_zip(site.folder / "training2017.zip", {"training2017/A1.mat": b"1", "training2017/RECORDS": b"A1\n"})
    archive = {"name": "training2017.zip", "url": f"{site.url}/training2017.zip", "unpack": "zip"}
    raw = get(source_of(archive), tmp_path)
    assert [(file.relative, file.role) for file in raw.files] == [
        ("training2017/A1.mat", "records"),
        ("training2017/RECORDS", "records"),
    ]
    left = sorted(path.name for path in (tmp_path / "raw/ecg").iterdir())
    assert left == [".fetched", "files.json", "training2017"]


def test_a_truncated_archive_is_named_and_fetched_again(site, tmp_path):
    with tarfile.open(site.folder / "a.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("a.bin")
        info.size = len(CONTENT)
        tar.addfile(info, io.BytesIO(CONTENT))
    good = (site.folder / "a.tar.gz").read_bytes()
    (site.folder / "a.tar.gz").write_bytes(good[:100_000])
    archive = {"name": "a.tar.gz", "url": f"{site.url}/a.tar.gz", "unpack": "tar.gz"}
    files = source_of(train(site), archive)
    with pytest.raises(
        DataError, match=rf"a.tar.gz: truncated .*; run the same command to fetch it again from {site.url}/a"
    ):
        get(files, tmp_path)
    (site.folder / "a.tar.gz").write_bytes(good)
    get(files, tmp_path).verify()
    assert [path for path, _ in site.requests] == ["/train.mat", "/a.tar.gz", "/a.tar.gz"]


def test_an_archive_whose_checksum_is_right_is_not_fetched_again(site, tmp_path):
    (site.folder / "a.zip").write_bytes(b"PK")
    archive = {"name": "a.zip", "url": f"{site.url}/a.zip", "unpack": "zip", "md5": hashlib.md5(b"PK").hexdigest()}
    for _ in range(2):
        with pytest.raises(DataError, match=r"a.zip: truncated .*; unpack it by hand into ecg/a below an empty folder"):
            get(source_of(archive), tmp_path)
    assert len(site.requests) == 1


def test_two_archives_with_the_same_member(site, tmp_path):
    for name in ("a.zip", "b.zip"):
        make_zip(site.folder / name, {"readme.txt": name})
    files = [{"name": name, "url": f"{site.url}/{name}", "unpack": "zip"} for name in ("a.zip", "b.zip")]
    with pytest.raises(DataError, match=r"readme.txt: comes from 'b.zip' and from another file"):
        get(source_of(*files), tmp_path)


def test_mirror_folder_with_files_archives_and_folders(tmp_path):
    mirror = tmp_path / "mirror"
    make_zip(mirror / "ecg/training2017.zip", {"training2017/A1.mat": b"1"})
    (mirror / "ecg/unpacked/sub").mkdir(parents=True)
    (mirror / "ecg/unpacked/sub/x.npy").write_bytes(b"x")
    (mirror / "ecg/tree").mkdir()
    (mirror / "ecg/tree/y.npy").write_bytes(b"y")
    (mirror / "ecg/labels.csv").write_bytes(b"z")
    source = source_of(
        {"name": "training2017.zip", "unpack": "zip"},
        {"name": "unpacked.tar.gz", "unpack": "tar.gz", "md5": "0" * 32},
        {"name": "tree"},
        {"name": "labels.csv", "role": "labels", "url": "http://127.0.0.1:1/labels.csv"},
    )
    raw = get(source, tmp_path, mirror)
    assert [file.relative for file in raw.files] == [
        "labels.csv",
        "training2017/A1.mat",
        "tree/y.npy",
        "unpacked/sub/x.npy",
    ]
    assert (mirror / "ecg/training2017.zip").is_file()  # the mirror is read only


def test_a_mirror_folder_that_lacks_or_spoils_a_file(tmp_path):
    mirror = tmp_path / "mirror"
    (mirror / "ecg").mkdir(parents=True)
    with pytest.raises(UserError, match=r"mirror/ecg/a.zip: not in the mirror \(nor a folder .*/a\); put it there"):
        get(source_of({"name": "a.zip", "unpack": "zip"}), tmp_path, mirror)
    (mirror / "ecg/a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"mirror/ecg/a.zip: wrong checksum"):
        get(source_of({"name": "a.zip", "unpack": "zip", "md5": "0" * 32}), tmp_path, mirror)
    with pytest.raises(
        DataError, match=r"mirror/ecg/a.zip: truncated .*; replace .*/a.zip by a good copy and run the same"
    ):
        get(source_of({"name": "a.zip", "unpack": "zip"}), tmp_path, mirror)
    (mirror / "ecg/tree").mkdir()
    with pytest.raises(DataError, match="the folder is empty"):
        get(source_of({"name": "tree"}), tmp_path, mirror)


def test_mirror_url(site, tmp_path):
    (site.folder / "ecg").mkdir()
    (site.folder / "ecg/train.mat").write_bytes(CONTENT)
    get(source_of({"name": "train.mat", "md5": MD5}), tmp_path, site.url + "/").verify()
    assert site.requests == [("/ecg/train.mat", None)]


def test_split_zip_comes_part_by_part(site, tmp_path):
    from test_archives import CONTENT as MEMBERS
    from test_archives import split_by_hand

    split_by_hand(site.folder, 150_200)
    files = [{"name": name, "url": f"{site.url}/{name}", "unpack": "splitzip"} for name in ("s.z01", "s.zip")]
    raw = get(source_of(*files, task="fsd50k"), tmp_path)
    assert {file.relative: file.path.read_bytes() for file in raw.files} == MEMBERS
    left = {path.name for path in (tmp_path / "raw/fsd50k").iterdir()}
    assert left == {".fetched", "files.json", "c.txt", "data"}


def test_progress_goes_to_standard_error(site, tmp_path, capsys):
    fetch(source_of(train(site)), tmp_path / "raw/ecg")
    captured = capsys.readouterr()
    assert "train.mat" in captured.err
    assert captured.out == ""
