"""The fork server: a job is what it is without one, whatever is killed, and only libraries outlive it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nasperf360.fork_server.start import start
from nasperf360.stages.code_digest import SCRIPTS

BASH = "/bin/bash"
RUN = """
import sys
from nasperf360.fork_server.start import start
print(start(sys.argv[1], {"named.py": ["wave", "wave.Error", "no_such_module", "slow_library"]}), flush=True)
sys.stdin.read()
"""
THREADS = ("OMP_NUM", "GOTO_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMEXPR_NUM")
ENVIRONMENT = {**os.environ, "PYTHONPATH": "", **{f"{name}_THREADS": "1" for name in THREADS}}

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the fork server takes Linux")


def until(condition, seconds=60.0):
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Run:
    """Stands for Snakemake: it has started a server."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, BASH],
            cwd=SCRIPTS,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.shell = self.process.stdout.readline().strip()
        assert Path(self.shell).name == "bash"
        (self.server,) = psutil.Process(self.process.pid).children()
        until((Path(self.shell).parent / "socket").exists)

    def start(self, text: str, shell: str = "", name: str = "script.py", **environment: str) -> subprocess.Popen[str]:
        """Start a script as Snakemake does."""
        path = self.folder / name
        path.write_text(text)
        return subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail;  {sys.executable} {path}"],
            executable=shell or self.shell,
            cwd=self.folder,
            env={**ENVIRONMENT, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, text: str, shell: str = "", name: str = "script.py", **environment: str) -> tuple[str, str, int]:
        """Its output, errors and status."""
        process = self.start(text, shell, name, **environment)
        output, errors = process.communicate(timeout=60)
        return output, errors, process.returncode

    def forks(self) -> list[psutil.Process]:
        return self.server.children()

    def waiting(self, text: str = "") -> subprocess.Popen[str]:
        """A script that has said its process in the file ``begun``, and waits for the file ``go``."""
        process = self.start(f"""
import os, pathlib, time
{text}
with open("begun", "a") as stream:
    print(os.getpid(), file=stream)
while not pathlib.Path("go").exists():
    time.sleep(0.01)
print("over")
""")
        until(lambda: self.begun() and self.forks())
        return process

    def begun(self) -> list[int]:
        path = self.folder / "begun"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(Path(self.shell).parent, ignore_errors=True)  # where its server was killed too


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    yield run
    run.close()
    psutil.wait_procs([run.server], timeout=30)


PARENT = "import os; print(os.getppid())"
ENDS = {
    "well": "print('out'); import sys; print('err', file=sys.stderr)",
    "status": "import sys; print('out'); sys.exit(3)",
    "a reason": "import sys; sys.exit('no data')",
    "an exception": "def f():\n    return 1 / 0\nf()",
    "interrupted": "raise KeyboardInterrupt",
    "killed": "import os, signal; print('out', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "half written": "def f(:",
    "at its exit": "import atexit; atexit.register(print, 'bye'); print(__name__, __file__[-9:])",
    "threads": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "place": "import os, sys; print(os.getcwd(), sys.argv, sys.path, os.environ['TMPDIR'])",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_a_job_says_and_ends_as_without_the_server(run, text):
    forked = run.ended(text, TMPDIR="/tmp/other")
    assert forked == run.ended(text, BASH, TMPDIR="/tmp/other")


def test_a_job_is_a_fork_and_other_commands_are_the_shell_s(run):
    assert int(run.ended(PARENT)[0]) == run.server.pid
    done = subprocess.run([run.shell, "-c", "echo a | tr a b; exit 4"], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("b\n", 4)


def test_libraries_are_imported_once_and_other_modules_by_each_job(run):
    text = (
        "import sys\nprint(*(name in sys.modules for name in ('colorsys', 'own')))\nimport colorsys, own\nprint(own.X)"
    )
    found = []
    for value in ("1", "22", "333"):  # in sizes that differ, since within a second Python sees no other change
        (run.folder / "own.py").write_text(f"X = {value}\n")
        found.append(run.ended(text)[0].split())
    assert found == [["False", "False", "1"], ["True", "False", "22"], ["True", "False", "333"]]


def test_a_job_undoes_at_its_end_what_it_did_and_not_what_the_server_s_libraries_did(run):
    text = (
        "import tempfile, torch, weakref\nprint(sum(each.atexit for each in weakref.finalize._registry))\n"
        "kept = tempfile.TemporaryDirectory(); print(kept.name)"
    )
    counts = []
    for _ in range(2):  # the first imports torch itself
        count, folder = run.ended(text)[0].split()
        counts.append(int(count))
        assert not Path(folder).exists()
    assert counts[0] > 0
    assert counts[1] == 0


def test_what_a_script_is_known_to_import_is_there_before_its_first_fork(run):
    asked = "import sys; print('wave' in sys.modules)"
    assert run.ended(asked)[0] == "False\n"
    assert run.ended(asked, name="tmpx8_g.named.py")[0] == "True\n"


def test_what_was_imported_is_not_collected_in_forks(run):
    """The collector would write to all of its pages, and so copy them for each job."""
    text = "import colorsys, gc; print(gc.get_freeze_count())"
    first, second = (int(run.ended(text)[0]) for _ in range(2))
    assert (first == 0, second > 1000) == (True, True)


def test_a_job_holds_nothing_of_the_server_or_of_other_jobs(run):
    """Else a client would not see that its job has ended as long as another lives."""
    text = """
import os
for number in sorted(os.listdir("/proc/self/fd"), key=int):
    try:
        print(os.readlink(f"/proc/self/fd/{number}").split(":")[0])
    except OSError:
        pass  # of the listing itself
"""
    alone = run.ended(text)
    other = run.waiting()
    beside = run.ended(text)
    (run.folder / "go").touch()
    other.communicate()
    assert beside == alone
    assert "anon_inode" not in alone[0]


def test_memory_is_that_of_the_job(run):
    text = "import resource; x = bytearray({}); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    large, small = (int(run.ended(text.format(size))[0]) for size in (200 << 20, 1))
    assert large - small > 190 << 10


def test_another_environment_than_the_server_s_is_imported_with(run):
    output, _, status = run.ended(f"{PARENT}; print(os.environ['OMP_NUM_THREADS'])", OMP_NUM_THREADS="2")
    parent, threads = output.split()
    assert (int(parent) != run.server.pid, threads, status) == (True, "2", 0)


def test_what_python_runs_at_its_end_runs_for_each_job(tmp_path, monkeypatch):
    """Also what was there before the server: a measurement of coverage, say, that starts with every Python."""
    said = "import atexit, os\natexit.register(lambda: print('end of', os.getpid()))"
    (tmp_path / "sitecustomize.py").write_text(said)
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    run = Run(tmp_path)
    try:
        number, *words = run.ended("import os; print(os.getpid())")[0].split()
        assert words == ["end", "of", number]
    finally:
        run.close()


def test_a_process_with_threads_is_not_forked(tmp_path, monkeypatch):
    said = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    (tmp_path / "sitecustomize.py").write_text(said)
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    run = Run(tmp_path)
    try:
        output, errors, status = run.ended(PARENT)
        assert (int(output) != run.server.pid, errors, status) == (True, "", 0)
        assert run.ended("print('plain')") == ("plain\n", "", 0)  # also once the server takes no more jobs
    finally:
        run.close()


def test_several_jobs_at_once(run):
    first = run.waiting()
    second = run.start("import time; time.sleep(0.1)")
    assert second.wait(60) == 0
    (run.folder / "go").touch()
    assert (first.communicate()[0], first.returncode) == ("over\n", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_job(run, number):
    process = run.waiting(f"import signal, sys; signal.signal({int(number)}, lambda *_: sys.exit(7))")
    if number != signal.SIGUSR1:
        run.server.send_signal(number)  # as when a machine is shut down
    process.send_signal(number)
    assert process.wait(60) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_the_libraries_of_a_job_are_imported_reaches_it(tmp_path, monkeypatch, number):
    importing = tmp_path / "importing"
    text = f"import pathlib, time\npathlib.Path({str(importing)!r}).touch()\ntime.sleep(0.3)\n"
    (tmp_path / "slow_library.py").write_text(text)
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    for _ in range(4):  # it would be lost in half of the runs
        run = Run(tmp_path)
        try:
            process = run.start("import time; time.sleep(60)", name="tmpx8_g.named.py")
            until(importing.exists)
            process.send_signal(number)
            assert process.wait(30) == -number
        finally:
            importing.unlink(missing_ok=True)
            run.close()


@pytest.mark.parametrize("served", [True, False])
def test_a_signal_that_is_ignored_as_by_nohup_ends_no_job(run, served):
    if not served:
        run.server.kill()
        until(lambda: run.server.status() == psutil.STATUS_ZOMBIE)
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = run.start(
            "import time, pathlib; open('begun', 'w').close()\n"
            "while not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('over')"
        )
    finally:
        signal.signal(signal.SIGHUP, handler)
    until((run.folder / "begun").exists)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    (run.folder / "go").touch()
    assert (process.communicate()[0], process.returncode) == ("over\n", 0)


def test_a_command_of_a_shell_ignores_no_more_signals_than_in_the_shell_alone(run):
    command = ["bash", "-c", "grep SigIgn /proc/self/status"]
    found = [subprocess.check_output(command, executable=shell) for shell in (run.shell, BASH)]
    assert found[0] == found[1]


def test_a_job_that_ended_while_its_process_was_stopped_is_not_run_again(run):
    process = run.waiting()
    process.send_signal(signal.SIGSTOP)
    (run.folder / "go").touch()
    until(lambda: not run.forks())
    process.send_signal(signal.SIGCONT)
    assert (process.communicate()[0], process.returncode) == ("over\n", 0)
    assert len(run.begun()) == 1


def test_a_job_stops_and_goes_on_with_the_process_that_stands_for_it(run):
    process = run.waiting()
    (fork,) = run.forks()
    process.send_signal(signal.SIGTSTP)
    stands = psutil.Process(process.pid)  # it stops after its fork
    until(lambda: {fork.status(), stands.status()} == {psutil.STATUS_STOPPED})
    process.send_signal(signal.SIGCONT)
    until(lambda: fork.status() != psutil.STATUS_STOPPED)
    (run.folder / "go").touch()
    assert process.wait(60) == 0


def test_a_job_is_killed_with_the_process_that_stands_for_it(run):
    process = run.waiting()
    (fork,) = run.forks()
    process.kill()
    until(lambda: not fork.is_running())
    assert int(run.ended(PARENT)[0]) == run.server.pid


def test_a_killed_job_is_a_killed_process(run):
    process = run.waiting()
    os.kill(run.begun()[0], signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL


def test_without_its_server_a_job_runs_again_by_itself(run):
    process = run.waiting()
    run.server.kill()
    until(lambda: len(run.begun()) == 2)
    first = run.begun()[0]
    until(lambda: not psutil.pid_exists(first) or psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    (run.folder / "go").touch()
    assert (process.communicate()[0], process.returncode) == ("over\n", 0)
    assert run.ended("print('plain')") == ("plain\n", "", 0)


def test_the_server_ends_with_the_run_and_after_its_orphans(run):
    process = run.waiting()
    run.process.kill()
    until(lambda: not Path(run.shell).exists())
    assert run.server.is_running()
    (run.folder / "go").touch()
    assert (process.communicate()[0], process.returncode) == ("over\n", 0)
    run.process.wait()
    until(lambda: not run.server.is_running() or run.server.status() == psutil.STATUS_ZOMBIE)


def test_where_a_process_cannot_be_watched_there_is_no_server(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert start(BASH, {}) == BASH


def test_where_no_temporary_files_can_be_written_there_is_no_server(monkeypatch, tmp_path):
    def full(self, *arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_text", full)
    assert start(BASH, {}) == BASH


def test_where_temporary_files_cannot_be_executed_there_is_no_server(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert start(BASH, {}) == BASH
