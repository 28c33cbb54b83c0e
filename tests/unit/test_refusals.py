"""A raw file that its reader refuses: the sentence ends with the mend, and the next run fetches that file alone."""

import hashlib
import re
import zipfile

import pytest

from nasperf360.data.download import fetch
from nasperf360.data.fetched import Fetched, refusals
from nasperf360.data.raw import RawFiles, write_manifest
from nasperf360.data.sources import Source
from nasperf360.errors import DataError, UserError
from services.files import file_server

LOGIN, TABLE = b"please log in", b"1,2,3\n"


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes(TABLE)
    with file_server(folder) as server:
        yield server


def source(site, **changes):
    files = [
        {"name": name, "role": name.split(".")[0], "url": f"{site.url}/{name}", **changes.get(name.split(".")[0], {})}
        for name in ("train.csv", "test.csv")
    ]
    return Source.parse("satellite", {"licence": "CC0", "files": files})


def read(raw):
    """What a reader does, and what is around it in a preprocessing job."""
    with refusals(raw):
        for file in raw.files:
            if file.path.read_bytes() != TABLE:
                raise DataError(f"{file.path}: no table")


def run(entry, folder, mirror=""):
    read(RawFiles.open(fetch(entry, folder, str(mirror), progress=False)))


def test_a_login_page_is_fetched_again_by_the_same_command(site, tmp_path):
    (site.folder / "test.csv").write_bytes(LOGIN)
    message = f"{tmp_path}/raw/test.csv: no table; run the same command to fetch it again from {site.url}/test.csv"
    for _ in range(2):
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            run(source(site), tmp_path / "raw")
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read(RawFiles.open(tmp_path / "raw/files.json"))  # the job's own second attempt
    assert Fetched(tmp_path / "raw").refused == 3  # each time another param, so that Snakemake plans the download
    (site.folder / "test.csv").write_bytes(TABLE)
    run(source(site), tmp_path / "raw")
    assert [path for path, _ in site.requests] == ["/train.csv", "/test.csv", "/test.csv", "/test.csv"]


def test_a_member_of_an_archive_brings_its_archive_again(site, tmp_path):
    def pack(content):
        with zipfile.ZipFile(site.folder / "test.csv", "w") as archive:
            archive.writestr("test/a.csv", content)
            archive.writestr("test/b.csv", TABLE)

    pack(LOGIN)
    entry = source(site, test={"name": "test.zip", "unpack": "zip"})
    with pytest.raises(
        DataError, match=r"raw/test/a.csv: no table; run the same command to fetch it again from http.*/test"
    ):
        run(entry, tmp_path / "raw")
    pack(TABLE)
    run(entry, tmp_path / "raw")
    assert [path for path, _ in site.requests] == ["/train.csv", "/test.csv", "/test.csv"]


def test_a_file_of_a_mirror_is_its_owner_s_to_replace(site, tmp_path):
    mirror = tmp_path / "mirror"
    (mirror / "satellite").mkdir(parents=True)
    for name, content in (("train.csv", TABLE), ("test.csv", LOGIN)):
        (mirror / "satellite" / name).write_bytes(content)
    address = mirror / "satellite/test.csv"
    with pytest.raises(DataError, match=f"no table; replace {address} by a good copy and run the same command$"):
        run(source(site), tmp_path / "raw", mirror)
    assert address.read_bytes() == LOGIN
    address.write_bytes(TABLE)
    run(source(site), tmp_path / "raw", mirror)


def test_a_folder_of_a_mirror(site, tmp_path):
    folder = tmp_path / "mirror/satellite/test"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(LOGIN)
    (folder.parent / "train.csv").write_bytes(TABLE)
    entry = source(site, test={"name": "test.zip", "unpack": "zip", "md5": "0" * 32})
    with pytest.raises(DataError, match=f"raw/test/a.csv: no table; replace {folder} by a good copy"):
        run(entry, tmp_path / "raw", tmp_path / "mirror")
    (folder / "a.csv").write_bytes(TABLE)
    run(entry, tmp_path / "raw", tmp_path / "mirror")


def test_a_file_whose_checksum_is_right_is_not_fetched_again(site, tmp_path):
    (site.folder / "test.csv").write_bytes(LOGIN)
    entry = source(site, test={"md5": hashlib.md5(LOGIN).hexdigest()})
    for _ in range(2):
        with pytest.raises(DataError, match=r"; its checksum is that of the sources file, so correct its entry there$"):
            run(entry, tmp_path / "raw")
    assert len(site.requests) == 2
    assert Fetched(tmp_path / "raw").refused == 0


def test_a_simulated_file_is_its_simulator_s_fault(tmp_path):
    (tmp_path / "test.csv").write_bytes(LOGIN)
    files = [(tmp_path / "test.csv", "test", {})]
    write_manifest(tmp_path / "files.json", "satellite", "simulated", "none", files)
    with pytest.raises(DataError, match=r"no table; it is simulated, so change 'simulate.satellite'$"):
        read(RawFiles.open(tmp_path / "files.json"))
    assert (tmp_path / "files.json").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError, "satellite: no label has both classes"),
        (DataError, "{folder}/test.csv.bak: no table"),
        (DataError, "{folder}/files.json: no file of role 'labels'"),
        (UserError, "{folder}/test.csv: stride 3 is too large; correct its option"),
    ],
)
def test_what_is_no_fault_of_a_raw_file_stays_as_it_is(site, tmp_path, error, message):
    raw = RawFiles.open(fetch(source(site), tmp_path / "raw", progress=False))
    message = message.format(folder=tmp_path / "raw")
    with pytest.raises(error, match=f"^{re.escape(message)}$"), refusals(raw):
        raise error(message)
    assert Fetched(tmp_path / "raw").refused == 0


def test_all_files_that_a_sentence_names_are_fetched_again(site, tmp_path):
    raw = RawFiles.open(fetch(source(site), tmp_path / "raw", progress=False))
    with pytest.raises(DataError, match="; run the same command"), refusals(raw):
        raise DataError(f"{raw.files[1].path}: no more rows than {raw.files[0].path} (3), so none is left")
    fetch(source(site), tmp_path / "raw", progress=False)
    assert len(site.requests) == 4


def test_a_file_without_a_record_is_fetched_again_anyway(site, tmp_path):
    (site.folder / "test.csv").write_bytes(LOGIN)
    raw = RawFiles.open(fetch(source(site), tmp_path / "raw", progress=False))
    (tmp_path / "raw/.fetched/test.csv.json").unlink()
    with pytest.raises(DataError, match=r"no table; run the same command to fetch it again$"):
        read(raw)
    assert Fetched(tmp_path / "raw").refused == 1


def test_an_archive_without_the_files_that_it_should_hold(site, tmp_path):
    """A good archive of something else: no member is wrong, all are."""
    with zipfile.ZipFile(site.folder / "test.csv", "w") as archive:
        archive.writestr("readme.txt", "see elsewhere")
    entry = source(site, test={"name": "test.zip", "unpack": "zip"})
    raw = RawFiles.open(fetch(entry, tmp_path / "raw", progress=False))
    sentence = r"raw/readme.txt: neither this nor another file of role 'test' is a .csv; run the same command to fetch"
    with pytest.raises(DataError, match=sentence), refusals(raw):
        raw.one("test", ".csv")
