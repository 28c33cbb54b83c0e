"""The cache of digests: made once per content, harmless when lost, damaged or not writable."""

import json

import pytest

from nasperf360.stages.digest_cache import DigestCache


@pytest.fixture
def made():
    return []


def value(cache, text, made):
    def make(content):
        made.append(content)
        return [content.upper()]

    return cache.get(text, make)


def test_made_once_per_content(tmp_path, made):
    path = tmp_path / "cache.json"
    first = DigestCache(path)
    assert value(first, "a", made) == ["A"]
    first._save()
    second = DigestCache(path)
    assert value(second, "a", made) == ["A"]
    assert value(second, "b", made) == ["B"]
    assert made == ["a", "b"]


def test_what_another_analyser_made_is_not_served(tmp_path, made):
    path = tmp_path / "cache.json"
    for maker in ("def f(): return 1", "def f(): return 2", "def f(): return 2"):
        cache = DigestCache(path, maker)
        value(cache, "a", made)
        cache._save()
    assert made == ["a", "a"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_damaged_cache_is_made_anew(tmp_path, made, content):
    path = tmp_path / "cache.json"
    path.write_text(content)
    cache = DigestCache(path)
    assert value(cache, "a", made) == ["A"]
    cache._save()
    assert list(json.loads(path.read_text()).values()) == [["A"]]


def test_without_its_folder_nothing_is_written(tmp_path, made):
    cache = DigestCache(tmp_path / "absent" / "cache.json")
    assert value(cache, "a", made) == ["A"]
    cache._save()
    assert not (tmp_path / "absent").exists()


def test_a_cache_that_cannot_be_written_costs_one_line(tmp_path, made, capsys):
    path = tmp_path / "cache.json"
    path.mkdir()
    cache = DigestCache(path)
    assert value(cache, "a", made) == ["A"]
    cache._save()
    assert "not written" in capsys.readouterr().err
