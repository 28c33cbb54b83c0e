"""The fork server: ``server.py <folder> <process of Snakemake>``, started by ``start.py``; ``client.py`` asks it.

It imports nothing of the project, and of libraries what its forks need: what ``libraries.json`` in its folder names for
a script, before the first fork for it, and whatever a fork lacked, which it says when it ends. So a run pays once for
what its jobs need, and nothing for the rest, while all code of the project is read anew by each job. The server ends
with Snakemake, however that ends, once the jobs have ended that outlive it.
"""

import array
import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import marshal
import os
import selectors
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn

# Set per job by Snakemake, and by shells; whatever else differs may have been read by an import.
PER_JOB = ("TMPDIR", "TMP", "TEMPDIR", "TEMP", "PWD", "OLDPWD", "SHLVL", "_")
LIBRARIES = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})
PR_SET_PDEATHSIG = 1
# Sent to all processes of a session or a machine that ends: the jobs save their state then, and take the server along.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 10.0  # seconds for a client to say what it wants


@dataclass
class Job:
    """A fork under way."""

    process: int
    ended: int  # a descriptor of the process, readable once it has ended
    connection: socket.socket  # readable once its client is gone


@dataclass
class Request:
    """What a client asks for."""

    script: str
    folder: str
    environment: dict[str, str]
    descriptors: list[int]


class Server:
    """Forks for clients that connect to ``<folder>/socket``, until the process ``run`` ends."""

    def __init__(self, folder: Path, run: int):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name not in PER_JOB}
        self.over = os.pidfd_open(run)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "socket"))
        self.listener.listen(1024)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.over, selectors.EVENT_READ)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.serving = True
        self.jobs: dict[int, Job] = {}
        self.libraries: dict[str, list[str]] = json.loads((folder / "libraries.json").read_text(encoding="utf-8"))
        self.lacked: list[str] = []

    def serve(self) -> Request | None:
        """Fork and wait until the run is over; a fork returns with what it shall do."""
        running = True
        while running or self.jobs:
            for key, _ in self.selector.select():
                if key.fd == self.over:
                    running = False
                    self.selector.unregister(self.over)
                    self.stop()
                    shutil.rmtree(self.folder, ignore_errors=True)
                elif key.fileobj is self.listener:
                    if request := self.accept():
                        return request
                elif job := self.jobs.get(key.data):
                    self.end(job, gone=key.fileobj is job.connection)
        return None

    def stop(self) -> None:
        """Take no more jobs; clients then find no server."""
        if self.serving:
            self.serving = False
            self.selector.unregister(self.listener)
            self.listener.close()

    def accept(self) -> Request | None:
        """Fork for the next client; in the fork, return its request."""
        connection, _ = self.listener.accept()
        with contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            try:
                connection.settimeout(PATIENCE)
                request = receive(connection)
                if self.suits(request) and self.prepare(request.script) and not is_closed(connection):
                    # What its client passes on at once must not meet a fork that still ignores it.
                    signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
                    try:
                        process = os.fork()
                    finally:
                        if os.getpid() == SERVER:
                            signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
                    if process == 0:
                        self.forget()
                        FORKED.append(stack.pop_all())  # nothing of it is closed as long as the fork lives
                        return request
                    self.jobs[process] = job = Job(process, os.pidfd_open(process), connection)
                    stack.pop_all()
                    self.selector.register(job.ended, selectors.EVENT_READ, process)
                    self.selector.register(connection, selectors.EVENT_READ, process)
                    with contextlib.suppress(OSError):  # the client has gone, and its fork is ended with it
                        connection.sendall(process.to_bytes(4, "big"))
                for descriptor in request.descriptors:
                    os.close(descriptor)
            except (OSError, ValueError, EOFError):
                pass  # no client of ours, or gone meanwhile
        return None

    def suits(self, request: Request) -> bool:
        """Whether what this process imported is what the job would import."""
        wanted = {name: value for name, value in request.environment.items() if name not in PER_JOB}
        return wanted == self.environment and len(request.descriptors) == 3

    def prepare(self, script: str) -> bool:
        """Import what a script is known to need, and what forks lacked so far; whether this process may be forked."""
        _, _, named = os.path.basename(script).partition(".")  # Snakemake's copy is tmpabcdefgh.<name>
        self.lacked += self.libraries.pop(named, [])
        for name in self.lacked:
            try:
                importlib.import_module(name)
            except Exception:
                continue  # none, but what a module holds; or each job imports it, or fails to, by itself
        if self.lacked:
            # What libraries would undo as their process ends, the kernel does for a fork; torch takes 0.05 s for it.
            for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
                finalizer.atexit = False
            gc.collect()
            gc.freeze()
        self.lacked = []
        if not is_forkable():
            self.stop()
            return False
        return True

    def end(self, job: Job, gone: bool) -> None:
        """A job has ended, or its client has ``gone``, and then it shall."""
        if gone:
            self.selector.unregister(job.connection)
            os.kill(job.process, signal.SIGKILL)
            return
        _, status = os.waitpid(job.process, 0)
        del self.jobs[job.process]
        self.selector.unregister(job.ended)
        os.close(job.ended)
        try:
            self.selector.unregister(job.connection)
            job.connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
        except (KeyError, OSError):
            pass  # the client has gone
        job.connection.close()
        said = self.folder / str(job.process)
        if said.is_file():
            self.lacked += [name for name in said.read_text(encoding="utf-8").split() if name not in sys.modules]
            said.unlink()

    def forget(self) -> None:
        """In a fork: close what belongs to the server, and to other jobs."""
        self.selector.close()
        self.listener.close()
        os.close(self.over)
        for job in self.jobs.values():
            os.close(job.ended)
            job.connection.close()


SERVER = os.getpid()
FORKED: list[contextlib.ExitStack] = []


def is_forkable() -> bool:
    """Whether forks of this process are sound: no import has started a thread, or opened a GPU."""
    if len(os.listdir("/proc/self/task")) > 1:
        return False
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them is closed again
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/dev/nvidia"):
                return False
    return True


def receive(connection: socket.socket) -> Request:
    """The request of a client."""
    descriptors = array.array("i")
    size = 3 * descriptors.itemsize
    length, ancillary, *_ = connection.recvmsg(4, socket.CMSG_LEN(size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    content = b""
    while len(content) < int.from_bytes(length, "big"):
        if not (part := connection.recv(1 << 20)):
            raise EOFError
        content += part
    script, folder, environment = marshal.loads(content)
    return Request(script, folder, environment, list(descriptors))


def is_closed(connection: socket.socket) -> bool:
    """Whether the client has gone meanwhile."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        connection.setblocking(True)


def run(request: Request, folder: Path) -> NoReturn:
    """In a fork: be the process that ``python <script>`` would be, started by the client."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # without a server no one ends it with its client
    if os.getppid() != SERVER:
        os._exit(1)
    for number in IGNORED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)
    for target, descriptor in enumerate(request.descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    if sys.stdout and os.isatty(1):
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(request.folder)
    for name in PER_JOB:
        if name in request.environment:
            os.environ[name] = request.environment[name]
    tempfile.tempdir = None  # which remembers the server's
    sys.argv = [request.script]
    sys.path.insert(0, os.path.dirname(request.script))
    known = set(sys.modules)
    main = ModuleType("__main__")
    vars(main).update(__file__=request.script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    try:
        exec(compile(Path(request.script).read_bytes(), request.script, "exec"), vars(main))
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if status == 1 and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException as error:  # as Python ends a script
        without_this = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(without_this), without_this)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    # As Python ends, but for the slow teardown of every module.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    tell(folder, known)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 120
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def tell(folder: Path, known: set[str]) -> None:
    """In a fork that ends: which modules of libraries it had to import."""
    found = []
    for name in [name for name in list(sys.modules) if name not in known]:
        origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
        if isinstance(origin, str) and (origin == "built-in" or origin.startswith(LIBRARIES)):
            found.append(name)
    if found and folder.is_dir():
        (folder / str(os.getpid())).write_text("\n".join(found), encoding="utf-8")


def main(folder: Path, process: int) -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    sys.path.pop(0)  # this file's
    if os.getppid() != process:
        return
    server = Server(folder, process)
    if request := server.serve():
        run(request, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
