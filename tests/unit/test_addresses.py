"""Several addresses of a file, the lock file for files without a checksum, and the table of what addresses answer."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nasperf360.data import web
from nasperf360.data.addresses import ask, unserved
from nasperf360.data.download import fetch
from nasperf360.data.fetched import Fetched
from nasperf360.data.lock_file import Lock, lock_path
from nasperf360.data.raw import RawFiles
from nasperf360.data.sources import Source
from nasperf360.errors import DataError, UserError
from services.files import FileServer, file_server

ROOT = Path(__file__).resolve().parents[2]
GOOD, OTHER = b"1,2,3\n" * 100, b"4,5,6\n" * 100


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PATIENCE", web.PATIENCE.new(backoff_factor=0))


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[list[FileServer]]:
    """Three servers: the first has nothing, the second a login page, the third the file."""
    folders = [tmp_path / "sites" / name for name in ("gone", "login", "good")]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[1] / "a.html").write_text("please log in")
    (folders[2] / "a.csv").write_bytes(GOOD)
    with file_server(folders[0]) as first, file_server(folders[1]) as second, file_server(folders[2]) as third:
        yield [first, second, third]


def source(*addresses: str, **changes: Any) -> Source:
    entry: dict[str, Any] = {"name": "a.csv", "role": "train", **changes}
    if addresses:
        entry |= {"url": addresses[0], "mirrors": list(addresses[1:])}
    content = {"licence": "CC0", "homepage": "https://example.org", "files": [entry]}
    return Source.parse("satellite", content)


def get(entry: Source, tmp_path: Path, lock: Path | str = "") -> bytes:
    raw = RawFiles.open(fetch(entry, tmp_path / "raw/satellite", progress=False, lock=lock))
    raw.verify()
    return raw.files[0].path.read_bytes()


def addresses(sites: list[FileServer]) -> list[str]:
    return ["http://127.0.0.1:1/a.csv", f"{sites[0].url}/a.csv", f"{sites[1].url}/a.html", f"{sites[2].url}/a.csv"]


def test_addresses_are_tried_in_order_and_the_one_that_served_is_recorded(
    sites: list[FileServer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be reached, one without the file, one that sends a web page in its place."""
    assert get(source(*addresses(sites)), tmp_path) == GOOD
    origin = Fetched(tmp_path / "raw/satellite").origins()["a.csv"]
    assert origin == {"bytes": len(GOOD), "sha256": hashlib.sha256(GOOD).hexdigest(), "address": addresses(sites)[3]}
    said = capsys.readouterr().err
    assert said.count("; trying the next address of a.csv") == 3
    assert [len(site.requests) for site in sites] == [1, 1, 1]
    get(source(*addresses(sites)), tmp_path)
    assert [len(site.requests) for site in sites] == [1, 1, 1]


def test_the_first_address_that_serves_the_file_is_the_only_one_asked(sites: list[FileServer], tmp_path: Path) -> None:
    assert get(source(*reversed(addresses(sites))), tmp_path) == GOOD
    assert [len(site.requests) for site in sites] == [0, 0, 1]


def test_an_address_with_other_bytes_is_passed_over(sites: list[FileServer], tmp_path: Path) -> None:
    (sites[0].folder / "a.csv").write_bytes(OTHER)
    entry = source(f"{sites[0].url}/a.csv", f"{sites[2].url}/a.csv", md5=hashlib.md5(GOOD).hexdigest())
    assert get(entry, tmp_path) == GOOD


def test_no_address_serves_it(sites: list[FileServer], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^none of the 3 addresses of a.csv serves it: http://127.0.0.1:1.*404.*web page"
    ) as error:
        get(source(*addresses(sites)[:3]), tmp_path)
    assert "\n" not in str(error.value)
    assert not isinstance(error.value, DataError)


def test_a_mirror_takes_the_place_of_all_addresses(sites: list[FileServer], tmp_path: Path) -> None:
    folder = tmp_path / "mirror/satellite"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(OTHER)
    raw = RawFiles.open(fetch(source(*addresses(sites)), tmp_path / "raw", str(tmp_path / "mirror"), progress=False))
    assert raw.files[0].path.read_bytes() == OTHER
    assert [len(site.requests) for site in sites] == [0, 0, 0]


@pytest.mark.parametrize("mirrors", ["http://a", ["ftp://a"], [3], {"a": 1}, [None]])
def test_faulty_mirrors_are_refused(mirrors: Any) -> None:
    with pytest.raises(UserError, match="mirrors"):
        source(mirrors=mirrors)


def test_what_no_address_serves_is_to_be_had_by_hand(tmp_path: Path) -> None:
    content = {"licence": "x", "by_hand": "write a mail", "files": [{"name": "a.csv", "role": "train"}]}
    with pytest.raises(
        UserError, match=r"'a.csv' has no url; write a mail and set 'mirror' to a folder that holds sat"
    ):
        fetch(Source.parse("satellite", content), tmp_path / "raw", progress=False)


# -- the lock file


def locked(entry: Source, tmp_path: Path) -> Path:
    path = lock_path(tmp_path / "sources.yaml")
    Lock.read(path).with_fetched(entry, tmp_path / "raw/satellite").write()
    return path


def test_what_came_first_is_locked_and_another_is_refused_with_both_digests(
    sites: list[FileServer], tmp_path: Path
) -> None:
    entry = source(f"{sites[2].url}/a.csv")
    get(entry, tmp_path)
    lock = locked(entry, tmp_path)
    assert lock.name == "sources.lock.yaml"
    first, second = (hashlib.sha256(content).hexdigest() for content in (GOOD, OTHER))
    content = yaml.safe_load(lock.read_text())
    assert content == {
        "satellite": {"a.csv": {"address": f"{sites[2].url}/a.csv", "bytes": len(GOOD), "sha256": first}}
    }
    get(entry, tmp_path, lock)
    assert len(sites[2].requests) == 1  # what was there before the lock file is still good
    elsewhere = tmp_path / "elsewhere"
    assert get(entry, elsewhere, lock) == GOOD
    (sites[2].folder / "a.csv").write_bytes(OTHER)
    with pytest.raises(
        DataError, match=f"wrong checksum: sha256 {second}, but {first} is expected; .*sources.lock.yaml$"
    ):
        get(entry, tmp_path / "later", lock)
    (sites[2].folder / "a.csv").write_bytes(OTHER + bytes(100))
    with pytest.raises(DataError, match=r"700 bytes, but 600 are expected|offers 700 bytes"):
        get(entry, tmp_path / "longer", lock)
    lock.unlink()
    get(entry, tmp_path / "later", lock)


def test_a_locked_file_is_taken_from_the_address_that_still_has_it(sites: list[FileServer], tmp_path: Path) -> None:
    entry = source(f"{sites[2].url}/a.csv", f"{sites[0].url}/a.csv")
    get(entry, tmp_path)
    lock = locked(entry, tmp_path)
    (sites[0].folder / "a.csv").write_bytes(GOOD)
    (sites[2].folder / "a.csv").write_bytes(OTHER)
    assert get(entry, tmp_path / "later", lock) == GOOD


def test_archives_are_locked_as_they_came(sites: list[FileServer], tmp_path: Path) -> None:
    """Though they do not stay; of a mirror folder too."""
    path = sites[2].folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.csv", GOOD)
    entry = source(f"{sites[2].url}/a.zip", name="a.zip", unpack="zip")
    get(entry, tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert yaml.safe_load(locked(entry, tmp_path).read_text())["satellite"]["a.zip"]["sha256"] == digest
    folder = tmp_path / "mirror/satellite"
    folder.mkdir(parents=True)
    (folder / "a.zip").write_bytes(path.read_bytes())
    lock = lock_path(tmp_path / "sources.yaml")
    fetch(entry, tmp_path / "mirrored", str(tmp_path / "mirror"), progress=False, lock=lock)
    assert Fetched(tmp_path / "mirrored").origins()["a.zip"]["sha256"] == digest
    with zipfile.ZipFile(folder / "a.zip", "a") as archive:
        archive.writestr("a/c.csv", OTHER)
    with pytest.raises(DataError, match=r"mirror/satellite/a.zip: .*remove its entry from .*sources.lock.yaml$"):
        fetch(entry, tmp_path / "again", str(tmp_path / "mirror"), progress=False, lock=lock)


def test_a_file_with_a_checksum_needs_no_lock(sites: list[FileServer], tmp_path: Path) -> None:
    entry = source(f"{sites[2].url}/a.csv", md5=hashlib.md5(GOOD).hexdigest())
    get(entry, tmp_path)
    assert not Lock.read(tmp_path / "no.yaml").with_fetched(entry, tmp_path / "raw/satellite").entries


def test_a_locked_digest_is_never_overwritten(sites: list[FileServer], tmp_path: Path) -> None:
    entry = source(f"{sites[2].url}/a.csv")
    get(entry, tmp_path)
    lock = locked(entry, tmp_path)
    before = lock.read_bytes()
    (sites[2].folder / "a.csv").write_bytes(OTHER)
    (tmp_path / "raw/satellite/a.csv").unlink()
    get(entry, tmp_path)  # without the lock file
    with pytest.raises(
        UserError, match=r"sources.lock.yaml: satellite: 'a.csv' is locked with sha256 \w{64}, but \w{64} c"
    ):
        locked(entry, tmp_path)
    assert lock.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["a: [", "a", "a: 1", "a: {b: 1}", "a: {b: {bytes: 1}}", "a: {b: {bytes: x, sha256: y}}"]
)
def test_a_damaged_lock_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sources.lock.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"sources.lock.yaml: no lock file of sources; restore it or delete it"):
        Lock.read(path)


# -- the table


def test_each_address_is_asked_once_and_nothing_is_downloaded(sites: list[FileServer]) -> None:
    sites[1].ranges = False
    (sites[1].folder / "a.csv").write_bytes(OTHER)
    asked = [*addresses(sites), f"{sites[1].url}/a.csv"]
    answers = ask([source(*asked, bytes=len(GOOD)), source()])
    assert [answer.fault for answer in answers] == [
        "cannot be reached (ConnectionError)",
        "404 Not Found",
        "a web page",
        "",
        "",
        "by hand",
    ]
    assert [answer.bytes for answer in answers[3:]] == [len(GOOD), len(OTHER), None]
    assert [answer.resumable for answer in answers] == [False, False, False, True, False, False]
    assert sorted(len(site.requests) for site in sites) == [1, 1, 2]
    assert all(wanted == "bytes=0-0" for site in sites for _, wanted in site.requests)
    (wrong,) = ask([source(asked[3], bytes=7)])
    assert wrong.fault == f"{len(GOOD)} bytes, not 7"
    assert unserved(ask([source(*asked)])) == []
    assert unserved(ask([source(*asked[:3])])) == [("satellite", "a.csv")]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "workflow/scripts/sources.py"
    environment = {**os.environ, "COLUMNS": "100"}
    command = [sys.executable, script, "--sources", "sources.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


def test_the_script_prints_a_table_and_writes_the_lock_file(sites: list[FileServer], tmp_path: Path) -> None:
    entries = {
        "ecg": {
            "licence": "x",
            "homepage": "h",
            "files": [{"name": "a.csv", "role": "labels", "url": addresses(sites)[3]}],
        },
        "satellite": {
            "licence": "x",
            "homepage": "https://example.org/ask",
            "by_hand": "write a mail",
            "files": [{"name": "b.csv", "role": "train"}],
        },
    }
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(entries))
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["task", "file", "address", "answer", "bytes", "resumable", "checksum"]
    assert rows[1] == ["ecg", "a.csv", addresses(sites)[3], "ok", str(len(GOOD)), "yes", "none"]
    assert done.stdout.splitlines()[-1] == "satellite: write a mail; see https://example.org/ask"
    nothing = run(tmp_path, "--lock", "--run", "mine")
    assert nothing.returncode == 1
    assert nothing.stderr.startswith(
        "Error: results/mine/raw: nothing came there that needs to be locked; download with"
    )
    fetch(Source.parse("ecg", entries["ecg"]), tmp_path / "results/mine/raw/ecg", progress=False)
    for said in ("sources.lock.yaml: 1 files are locked; commit it", "sources.lock.yaml: nothing new to lock"):
        assert run(tmp_path, "--lock", "--run", "mine").stdout.strip() == said
    assert run(tmp_path).stdout.splitlines()[1].split()[-1] == "locked"
    (sites[2].folder / "a.csv").unlink()
    gone = run(tmp_path, "--tasks", "ecg")
    assert gone.returncode == 1
    assert gone.stdout.splitlines()[-1].startswith("ecg: no address serves a.csv; get it elsewhere")
