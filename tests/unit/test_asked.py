"""What an attempt at a job asks a cluster for: more memory after a lack of it, next to nothing where it must fail."""

import json
import os

import pytest

from nasperf360.failures import is_of_run
from nasperf360.study import asked as module
from nasperf360.study.asked import AT_ONCE, Asked

USUAL = Asked(gpu=1, runtime=300, mem_mb=16000)


def asked(usual, attempt, failure):
    return module.asked(usual, attempt, failure, failure.with_name("begun.json"))


@pytest.fixture
def failure(tmp_path):
    """Writes what the last attempt left."""

    def write(**content):
        (tmp_path / "failure.json").write_text(json.dumps({"reason": "why", **content}))
        return tmp_path / "failure.json"

    return write


def test_a_first_attempt_asks_for_the_usual(tmp_path):
    assert asked(USUAL, 1, tmp_path / "failure.json") == USUAL


@pytest.mark.parametrize("attempt", [2, 30])
def test_one_killed_without_a_word_may_have_lacked_memory(tmp_path, attempt):
    failure = tmp_path / "failure.json"
    assert asked(USUAL, attempt, failure) == Asked(1, 300, 32000)
    (tmp_path / "begun.json").write_text('{"mem_mb": 48000}')
    assert asked(USUAL, attempt, failure) == Asked(1, 300, 64000)
    assert asked(USUAL, 1, failure) == USUAL


def test_more_memory_after_a_lack_of_it(failure):
    assert asked(USUAL, 2, failure(kind="memory", mem_mb=16000)) == Asked(1, 300, 32000)
    assert asked(USUAL, 3, failure(kind="memory", mem_mb=32000)) == Asked(1, 300, 48000)


@pytest.mark.parametrize("attempt", [1, 2, 9])
def test_as_much_again_after_an_interruption_and_no_more_time(failure, attempt):
    """Also by the same command given again, whose first attempt it is."""
    assert asked(USUAL, attempt, failure(kind="interrupted", mem_mb=32000)) == Asked(1, 300, 32000)


@pytest.mark.parametrize("kind", [{}, {"kind": "diverged"}])
def test_what_would_fail_again_asks_for_next_to_nothing(failure, kind):
    assert asked(USUAL, 2, failure(**kind)) == AT_ONCE
    assert AT_ONCE.gpu == 0
    assert asked(USUAL, 1, failure(**kind)) == USUAL  # somebody may have mended it since


def test_what_was_set_since_counts(failure):
    assert asked(USUAL, 1, failure(kind="interrupted", mem_mb=4000)) == USUAL


def test_a_reason_of_an_earlier_run_ends_no_retry(failure, tmp_path):
    """Somebody may have mended it, and the first attempt of this run may not have come so far."""
    began = tmp_path / "settings.json"
    began.write_text("{}")
    old = failure()
    os.utime(old, ns=(began.stat().st_mtime_ns - 1,) * 2)
    assert not is_of_run(old, began)
    os.utime(old, ns=(began.stat().st_mtime_ns,) * 2)
    assert is_of_run(old, began)
    assert is_of_run(tmp_path / "none.json", began)
    assert is_of_run(old, tmp_path / "none.json")  # as in a module, whose runs write no such file
    assert module.asked(USUAL, 2, None, tmp_path / "begun.json") == Asked(1, 300, 32000)


def test_a_damaged_record_is_as_none(tmp_path):
    (tmp_path / "failure.json").write_text("{")
    assert asked(USUAL, 1, tmp_path / "failure.json") == USUAL
