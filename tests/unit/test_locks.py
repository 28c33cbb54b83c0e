"""One job at a time in a folder; file systems without locks are said, not suffered."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from nasperf360.errors import UserError
from nasperf360.locks import locked, works_in

HOLDER = """
import sys, time
from nasperf360.locks import locked

with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_waits_and_names_the_first(tmp_path, capsys):
    order = []

    def second():
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert f"{tmp_path}: process {os.getpid()} on " in capsys.readouterr().err


def test_a_lock_that_is_only_looked_at_is_waited_for_without_a_word(tmp_path, capsys):
    """As status.py looks: it shares the lock, which a job has to itself."""
    path = tmp_path / "lock"
    path.write_text("1 on a machine that has done its work", encoding="utf-8")
    entered = threading.Event()

    def job():
        with locked(tmp_path):
            entered.set()

    with open(path, encoding="utf-8") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        thread = threading.Thread(target=job)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(60)
    thread.join(60)
    assert capsys.readouterr().err == ""


def test_a_killed_process_holds_nothing(tmp_path, capsys):
    path = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
    with locked(tmp_path):
        assert "waiting" not in capsys.readouterr().err


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_the_job_goes_on_and_says_so(code, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(code))
    with locked(tmp_path):
        assert f"{tmp_path}: its file system has no locks" in capsys.readouterr().err


def test_what_is_shared_needs_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with pytest.raises(UserError, match=f"{tmp_path}: its file system has no locks .*set workers: 1"):  # noqa: SIM117
        with locked(tmp_path, shared=True):
            pass


def test_sharers_hold_a_lock_together_and_one_for_itself_waits(tmp_path, capsys):
    order = []

    def alone():
        with locked(tmp_path):
            order.append("alone")

    with locked(tmp_path, shared=True), locked(tmp_path, shared=True):
        assert works_in(tmp_path) == ""  # nobody for itself
        thread = threading.Thread(target=alone)
        thread.start()
        thread.join(1.5)  # longer than a look at the lock
        order.append("together")
    thread.join(60)
    assert order == ["together", "alone"]
    assert "waiting for it" in capsys.readouterr().err


def test_another_fault_is_not_taken_for_missing_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path):
        pass


def failing(code):
    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    return flock
