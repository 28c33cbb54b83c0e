"""The memo of sources: made once per content, harmless when lost, damaged or not writable."""

import json

import pytest

from nasperf360.jobs.memo import Memo


@pytest.fixture
def made():
    return []


def value(memo, text, made):
    def make(content):
        made.append(content)
        return [content.upper()]

    return memo.get(text, make)


def test_made_once_per_content(tmp_path, made):
    path = tmp_path / "memo.json"
    first = Memo(path)
    assert value(first, "a", made) == ["A"]
    first._save()
    second = Memo(path)
    assert value(second, "a", made) == ["A"]
    assert value(second, "b", made) == ["B"]
    assert made == ["a", "b"]


def test_what_another_analyser_made_is_not_served(tmp_path, made):
    path = tmp_path / "memo.json"
    for maker in ("def f(): return 1", "def f(): return 2", "def f(): return 2"):
        memo = Memo(path, maker)
        value(memo, "a", made)
        memo._save()
    assert made == ["a", "a"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_damaged_memo_is_made_anew(tmp_path, made, content):
    path = tmp_path / "memo.json"
    path.write_text(content)
    memo = Memo(path)
    assert value(memo, "a", made) == ["A"]
    memo._save()
    assert list(json.loads(path.read_text()).values()) == [["A"]]


def test_without_its_folder_nothing_is_written(tmp_path, made):
    memo = Memo(tmp_path / "absent" / "memo.json")
    assert value(memo, "a", made) == ["A"]
    memo._save()
    assert not (tmp_path / "absent").exists()


def test_a_memo_that_cannot_be_written_costs_one_line(tmp_path, made, capsys):
    path = tmp_path / "memo.json"
    path.mkdir()
    memo = Memo(path)
    assert value(memo, "a", made) == ["A"]
    memo._save()
    assert "not written" in capsys.readouterr().err
