"""What a signal does to a job: one sentence, a reason beside its outputs, a status of its own, and no traceback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nasperf360 import interruption
from nasperf360.interruption import Interrupted, asked, held_back, let_through

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
JOB = """
import sys, time
from types import SimpleNamespace
from nasperf360.job import run_job

def main():
    try:
        print("begun", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.3)  # a lock to let go of, say

run_job(main, SimpleNamespace(log=[sys.argv[2]], params={}), failure=sys.argv[1])
"""
COMMAND = """
import time
from nasperf360.command import run_command

def main():
    print("begun", flush=True)
    time.sleep(60)

run_command(main)
"""
GOES_ON = "the same command goes on from what is saved, or starts again"


def start(program: str, *arguments: Path | str, ignored: int | None = None) -> subprocess.Popen[str]:
    """A process that has begun its body."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        preexec_fn=(lambda: signal.signal(ignored, signal.SIG_IGN)) if ignored else None,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("number", interruption.SIGNALS, ids=lambda number: number.name)
def test_a_job_says_why_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    process = start(JOB, tmp_path / "failure.json", tmp_path / "job.log")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == interruption.EXIT_STATUS == 75
    reason = f"interrupted by {number.name}; {GOES_ON}"
    assert said == (tmp_path / "job.log").read_text() == f"Error: {reason}\n"
    assert json.loads((tmp_path / "failure.json").read_text()) == {"reason": reason, "kind": "interrupted"}


def test_to_be_asked_again_and_again_changes_nothing(tmp_path: Path) -> None:
    process = start(JOB, tmp_path / "failure.json", tmp_path / "job.log")
    while process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    said = process.communicate()[1]
    assert process.returncode == interruption.EXIT_STATUS
    assert "Traceback" not in said
    assert "interrupted by " in json.loads((tmp_path / "failure.json").read_text())["reason"]


def test_what_the_parent_had_ignored_stays_ignored(tmp_path: Path) -> None:
    process = start(JOB, tmp_path / "failure.json", tmp_path / "job.log", ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == interruption.EXIT_STATUS


def test_ctrl_c_of_a_command_is_one_line() -> None:
    process = start(COMMAND)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "Error: interrupted by SIGINT\n"
    assert process.returncode == interruption.EXIT_STATUS


@pytest.mark.parametrize("module", ["job", "command"])
def test_nor_does_ctrl_c_show_a_traceback_while_a_script_imports(module: str) -> None:
    process = start(f"import time, nasperf360.{module}\nprint('begun', flush=True)\ntime.sleep(60)")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == f"Error: interrupted by SIGINT; {GOES_ON}\n"
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("name", ["status.py", "verify.py", "estimate.py"])
def test_every_command_ends_so(name: str) -> None:
    assert "run_command(" in (SCRIPTS / name).read_text()


def test_but_not_the_warning_of_a_scheduler_which_those_around_the_job_ignore(tmp_path: Path) -> None:
    process = start(JOB, tmp_path / "failure.json", tmp_path / "job.log", ignored=signal.SIGUSR1)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=30)
    assert process.returncode == interruption.EXIT_STATUS


@pytest.fixture
def handlers():
    """Those of the test run, back at the end."""
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def run(body: Callable[[list[str]], None], error: type[BaseException]) -> list[str]:
    """What a body noted before it ended by that error."""
    noted: list[str] = []
    with interruption.handled(), pytest.raises(error):
        body(noted)
    return noted


@pytest.mark.usefixtures("handlers")
def test_a_signal_waits_for_the_end_of_what_holds_it_back() -> None:
    def body(noted: list[str]) -> None:
        with held_back():
            send()
            noted.append(str(asked()))
        noted.append("went on")

    assert run(body, Interrupted) == ["SIGUSR1"]


@pytest.mark.usefixtures("handlers")
def test_it_is_let_through_where_that_loses_nothing() -> None:
    def body(noted: list[str]) -> None:
        with held_back():
            with let_through():
                send()
            noted.append("went on")

    assert run(body, Interrupted) == []


@pytest.mark.usefixtures("handlers")
def test_one_that_waits_is_let_through_before_anything_else_begins() -> None:
    def body(noted: list[str]) -> None:
        with held_back():
            send()
            with let_through():
                noted.append("began")

    assert run(body, Interrupted) == []


@pytest.mark.usefixtures("handlers")
def test_a_fault_of_a_step_is_not_hidden_by_a_signal() -> None:
    def body(noted: list[str]) -> None:
        with held_back():
            send()
            raise ZeroDivisionError

    assert run(body, ZeroDivisionError) == []


def test_without_a_signal_the_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruption.handled():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_that_handles_errors_keeps_it() -> None:
    assert not issubclass(Interrupted, Exception)
