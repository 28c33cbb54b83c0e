"""A file is complete or absent, also after a loss of power."""

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from nasperf360.errors import UserError
from nasperf360.files import atomic_path, read_json, remembered, write_json


def test_the_bytes_reach_the_disk_before_the_name_and_the_name_after(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor):
        calls.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def recorded_replace(source, target):
        calls.append(("replace", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    write_json(tmp_path / "state.json", {"a": 1})
    file = (tmp_path / "state.json").stat().st_ino
    assert calls == [("fsync", file), ("replace", file), ("fsync", tmp_path.stat().st_ino)]


def test_a_file_system_that_cannot_sync_is_borne_with_but_no_fault_is(tmp_path, monkeypatch):
    fault = [errno.EINVAL]

    def fsync(descriptor):
        raise OSError(fault[0], os.strerror(fault[0]))

    monkeypatch.setattr(os, "fsync", fsync)
    write_json(tmp_path / "a.json", 1)
    fault[0] = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        write_json(tmp_path / "b.json", 1)
    fault[0] = errno.ENOSPC
    with pytest.raises(UserError, match=r"c\.json: the disk is full; free some space"):
        write_json(tmp_path / "c.json", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "old")

    def half():
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == '"old"\n'


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff"])
def test_what_is_only_remembered_may_be_lost(content, tmp_path):
    if content is not None:
        (tmp_path / "memory.json").write_bytes(content)
    assert remembered(tmp_path / "memory.json") == {}


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"^\S+: cannot be read \(Is a directory\); correct that and run again$"):
        read_json(tmp_path)
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a.json")
    monkeypatch.setattr(Path, "read_text", Mock(side_effect=denied))  # root may read all
    with pytest.raises(
        UserError, match=r"^a\.json: cannot be read \(Permission denied\); give yourself the right to do"
    ):
        read_json("a.json")
