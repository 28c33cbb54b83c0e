"""A job's failure.json, the reason of the last attempt; and no job of other code than it was planned with."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nasperf360.errors import DivergedError, UserError
from nasperf360.interruption import Interrupted
from nasperf360.job import run_job
from nasperf360.stages import code_digest as module

KILLED = """
import os, signal, sys
from types import SimpleNamespace
from nasperf360.job import run_job

job = SimpleNamespace(log=[], params={})
run_job(lambda: os.kill(os.getpid(), signal.SIGKILL), job, failure=sys.argv[1])
"""


def job(*log, **params):
    """As Snakemake gives it to a script."""
    return SimpleNamespace(log=log, params=params)


def attempt(number):
    """A further attempt at it."""
    return SimpleNamespace(log=[], params={}, resources=SimpleNamespace(attempt=number, mem_mb=16000))


def ended(error, failure, number=1):
    """The exit status of an attempt that ends by an error, and what it leaves."""

    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run_job(main, attempt(number), failure=failure)
    return end.value.code, json.loads(failure.read_text())


@pytest.fixture
def failure(tmp_path):
    """What an earlier attempt left."""
    path = tmp_path / "failure.json"
    path.write_text('{"reason": "of last week"}')
    return path


def reason(failure):
    return json.loads(failure.read_text())["reason"]


def test_a_killed_job_leaves_no_old_reason(failure):
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", KILLED, str(failure)], env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL
    assert not failure.exists()


def test_a_failed_job_leaves_its_own(failure, capsys):
    def fails():
        assert not failure.exists()
        raise UserError("data.h5: too short; make it again")

    with pytest.raises(SystemExit) as end:
        run_job(fails, job(), failure=failure)
    assert end.value.code == 1
    assert json.loads(failure.read_text()) == {"reason": "data.h5: too short; make it again"}
    assert capsys.readouterr().err == "Error: data.h5: too short; make it again\n"


def test_a_diverged_training_says_so_beside_its_reason(failure):
    def diverges():
        raise DivergedError("train_loss became nan")

    with pytest.raises(SystemExit):
        run_job(diverges, job(), failure=failure)
    assert json.loads(failure.read_text()) == {"reason": "train_loss became nan", "kind": "diverged"}


class OutOfMemoryError(Exception):
    """Of torch.cuda, by name."""


MEMORY = "out of memory; lower batch_size, or give the job more memory (mem_mb)"


def test_exit_statuses_tell_failures_apart_and_what_a_next_attempt_needs_is_noted(failure):
    assert ended(UserError("a"), failure) == (1, {"reason": "a"})
    assert ended(ZeroDivisionError("by zero"), failure) == (1, {"reason": "ZeroDivisionError: by zero"})
    assert ended(OutOfMemoryError(), failure)[0] == 1  # of the GPU: more memory for the job is no mend
    assert ended(DivergedError("b"), failure) == (65, {"reason": "b", "kind": "diverged"})
    assert ended(MemoryError(), failure) == (71, {"reason": MEMORY, "kind": "memory", "mem_mb": 16000})
    code, left = ended(Interrupted("SIGUSR1"), failure)
    assert (code, left["kind"], left["mem_mb"]) == (75, "interrupted", 16000)


@pytest.mark.parametrize(("error", "status"), [(UserError("too short"), 1), (DivergedError("nan"), 65)])
def test_a_retry_of_what_would_fail_again_ends_at_once(failure, capsys, error, status):
    _, left = ended(error, failure)
    capsys.readouterr()
    assert ended(AssertionError("it was done again"), failure, number=2) == (status, left)
    assert capsys.readouterr().err == f"Error: {error} (said by the last attempt; nothing was done again)\n"


@pytest.mark.parametrize("error", [MemoryError(), Interrupted("SIGTERM")])
def test_a_retry_of_what_may_go_well_is_made(failure, error):
    ended(error, failure)
    run_job(lambda: None, attempt(2), failure=failure)
    assert not failure.exists()


def test_a_new_run_tries_what_failed_in_the_last(failure):
    ended(UserError("too short"), failure)
    run_job(lambda: None, attempt(1), failure=failure)
    assert not failure.exists()


@pytest.mark.parametrize(
    ("error", "words", "traceback"),
    [
        (MemoryError(), "out of memory; lower batch_size, or give the job more memory (mem_mb)", False),
        (OutOfMemoryError(), "out of GPU memory; lower batch_size or set precision: bfloat16", False),
        (
            OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB"
            ),
            "out of GPU memory (20.00 GiB were asked for); lower batch_size or set precision: bfloat16",
            False,
        ),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero", True),
        (
            PermissionError(13, "Permission denied", "raw/a.mat"),
            "raw/a.mat: cannot be read or written (Permission denied); give yourself the right to do so",
            False,
        ),
        (PermissionError(13, "Permission denied"), "PermissionError: [Errno 13] Permission denied", True),
    ],
)
def test_what_is_no_mistake_of_the_user_is_named_too(failure, capsys, error, words, traceback):
    def fails():
        raise error

    with pytest.raises(SystemExit):
        run_job(fails, job(), failure=failure)
    assert reason(failure) == words
    assert ("Traceback" in capsys.readouterr().err) == traceback


@pytest.mark.parametrize(
    ("allocate", "asked"),
    [
        (lambda: torch.empty(1 << 50, dtype=torch.uint8), f"{1 << 50} bytes"),
        (lambda: np.empty(1 << 60, "u1"), "1.00 EiB"),
    ],
)
def test_memory_that_is_not_there_is_named_with_how_much_was_asked_for(failure, capsys, allocate, asked):
    with pytest.raises(SystemExit):
        run_job(allocate, job(), failure=failure)
    assert reason(failure) == (
        f"out of memory ({asked} were asked for); lower batch_size, or give the job more memory (mem_mb)"
    )
    assert "Traceback" not in capsys.readouterr().err


def test_success_takes_away_what_an_orphan_left_meanwhile(failure):
    run_job(lambda: failure.write_text("{}"), job(), failure=failure)
    assert not failure.exists()


def test_what_is_said_stands_in_the_log_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    path = tmp_path / "logs" / "job.log"
    run_job(lambda: print("training", file=sys.stderr), job(str(path)))
    assert path.read_text() == "training\n"


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A source file and the job that is planned with it."""
    monkeypatch.setattr(module, "SCRIPTS", tmp_path)
    (path := tmp_path / "metric.py").write_text("def metric(x):\n    return x\n")
    (tmp_path / "run.py").write_text("import metric\n")
    entries = [f"{name}@{module.source_digest(tmp_path / name)}" for name in ("metric.py", "run.py")]
    return path, job(code_0=entries[1], code_1=[entries[0]], settings={"code_0": "x"})


CHANGED = {
    "changed": "def metric(x):\n    return 0.001 * x\n",
    "half written": "def metric(x):\n    return (",
    "gone": None,
}


def change(path, content):
    if content is None:
        path.unlink()
    else:
        path.write_text(content)


@pytest.mark.parametrize("content", CHANGED.values(), ids=CHANGED)
def test_a_job_of_changed_code_does_not_start(planned, failure, content):
    path, snakemake = planned
    change(path, content)
    begun = []
    with pytest.raises(SystemExit) as end:
        run_job(lambda: begun.append(True), snakemake, failure=failure)
    assert end.value.code == 1
    assert not begun
    assert reason(failure).startswith("metric.py changed since this run was planned; start the same command again")


@pytest.mark.parametrize("content", CHANGED.values(), ids=CHANGED)
def test_nor_does_it_end_well_when_code_changes_under_way(planned, failure, content):
    path, snakemake = planned
    with pytest.raises(SystemExit) as end:
        run_job(lambda: change(path, content), snakemake, failure=failure)
    assert end.value.code == 1
    assert "metric.py changed since this run was planned" in reason(failure)


def test_a_comment_written_meanwhile_is_no_change(planned, failure):
    path, snakemake = planned
    run_job(lambda: path.write_text('"""New."""\n\ndef metric(x):\n    return x  # as before\n'), snakemake)


def test_a_retry_that_says_the_reason_again_keeps_the_log(tmp_path, failure, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    path = tmp_path / "a.log"
    for attempt in (1, 2):
        given = SimpleNamespace(log=[str(path)], params={}, resources=SimpleNamespace(attempt=attempt))
        with pytest.raises(SystemExit):
            run_job(lambda: 1 / 0, given, failure=failure)
    text = path.read_text()
    assert text.count("Traceback") == 1
    assert text.endswith("(said by the last attempt; nothing was done again)\n")


def test_a_note_is_for_the_log_alone(tmp_path, capfd):
    script = tmp_path / "a.py"
    script.write_text(
        "from types import SimpleNamespace\n"
        "from nasperf360.job import log, note, run_job\n"
        f"job = SimpleNamespace(log=[{str(tmp_path / 'a.log')!r}], params={{}}, resources=None)\n"
        "run_job(lambda: (note('on the CPU'), log('said')), job)\n"
        "note('afterwards')\n"
    )
    path = str(module.SCRIPTS)
    subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": path}, check=True)
    assert capfd.readouterr().err == "said\n"
    assert (tmp_path / "a.log").read_text() == "on the CPU\nsaid\nafterwards\n"
