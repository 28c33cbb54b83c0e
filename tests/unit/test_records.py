"""The copy of Snakemake's records beside results, and what is given back of it."""

import json
import os
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from nasperf360.study import records

FILES = [f"results/mine/retrain/ecg/wrn-default/{seed}/cost.json" for seed in range(3)]


def record(path: str) -> Path:
    """Where Snakemake has it."""
    return records.METADATA / urlsafe_b64encode(path.encode()).decode()


def make(path: str, params: str = "epochs: 2") -> None:
    """A file and Snakemake's record of it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("{}", encoding="utf-8")
    records.METADATA.mkdir(parents=True, exist_ok=True)
    record(path).write_text(json.dumps({"params": [params], "endtime": Path(path).stat().st_mtime}))


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of three files whose records were kept, and a file of another run."""
    monkeypatch.chdir(tmp_path)
    for path in (*FILES, "results/other/a.json"):
        make(path)
    records.keep(["mine", "absent"])


def contents() -> dict[str, str]:
    return {path: record(path).read_text() for path in FILES if record(path).exists()}


def test_only_the_files_of_the_run_are_kept():
    lines = Path("results/mine/records.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == FILES
    assert not Path("results/other/records.tsv").exists()


DAMAGES = {
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_record_that_is_lost_is_given_back(damage, capsys):
    before = contents()
    damage(record(FILES[1]))
    assert not records.recorded(Path(FILES[1]))
    records.restore(["mine"])
    assert contents() == before
    assert records.recorded(Path(FILES[1]))
    assert capsys.readouterr().err == (
        "results/mine: Snakemake had lost its records of 1 files; taken from results/mine/records.tsv\n"
    )


def test_nothing_is_said_or_written_where_nothing_is_lost(capsys):
    times = {path: record(path).stat().st_mtime_ns for path in FILES}
    records.restore(["mine", "other", "absent"])
    assert {path: record(path).stat().st_mtime_ns for path in FILES} == times
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seconds", [-10, 10])
def test_a_file_of_another_time_is_not_what_its_record_says(seconds):
    record(FILES[0]).unlink()
    status = os.stat(FILES[0])
    os.utime(FILES[0], (status.st_atime, status.st_mtime + seconds))
    records.restore(["mine"])
    assert not record(FILES[0]).exists()


def test_a_file_that_is_gone_needs_no_record():
    Path(FILES[0]).unlink()
    record(FILES[0]).unlink()
    records.restore(["mine"])
    assert not record(FILES[0]).exists()
    records.keep(["mine"])
    assert FILES[0] not in Path("results/mine/records.tsv").read_text(encoding="utf-8")


def test_a_newer_record_replaces_the_copy_and_a_damaged_one_does_not():
    make(FILES[0], "epochs: 3")
    record(FILES[1]).write_text("")
    records.keep(["mine"])
    before = record(FILES[0]).read_text()
    for path in FILES:
        record(path).unlink(missing_ok=True)
    records.restore(["mine"])
    assert record(FILES[0]).read_text() == before
    assert "epochs: 3" in before
    assert "epochs: 2" in record(FILES[1]).read_text()


@pytest.mark.parametrize("content", [b"", b"\xff", b"no tab", b"results/mine/a\t{"])
def test_a_damaged_copy_gives_nothing_back(content):
    Path("results/mine/records.tsv").write_bytes(content)
    records.METADATA.rename("elsewhere")
    records.restore(["mine"])
    assert not records.METADATA.exists()
    records.keep(["mine"])


def test_a_start_reads_no_record_that_is_there(monkeypatch):
    def fails(path: Path, *_: object, **__: object) -> str:
        assert path.name == "records.tsv"
        return original(path, encoding="utf-8")

    original = Path.read_text
    monkeypatch.setattr(Path, "read_text", fails)
    records.restore(["mine"])
