"""The process of a job as Snakemake sees it, in place of a shell: a fork of the server runs the script.

Called as ``client.py <folder of the server> <shell> <python> [-c <command>]``. It imports next to nothing, since each
of hundreds of jobs starts one. The fork gets its streams, folder and environment, and each signal that it can catch;
when it is killed, so is the fork. Without a server, or if that dies, the shell runs the command.
"""

# Their C halves: the enumerations that signal and socket wrap around them take as long as all else here.
import _signal as signal  # type: ignore[import-not-found]
import _socket as socket
import array
import marshal
import os
import sys

FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)
SIGNALS = (*FORWARDED, signal.SIGTSTP)
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # and by no shell


def main(folder: str, shell: str, python: str, *arguments: str) -> None:
    script = script_of(python, arguments)
    status = None
    if script:
        # Until there is a fork to pass them on to.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            connection = socket.socket(socket.AF_UNIX)  # closed with this process
            connection.connect(f"{folder}/socket")
            status = forked(connection, script)
        except OSError:
            status = None
    if status is None:
        for number in (*heeded(SIGNALS), *IGNORED_BY_PYTHON):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.execv(shell, [shell, *arguments])
    if status < 0:  # end as the fork did
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(abs(status))


def heeded(numbers: tuple[int, ...]) -> list[int]:
    """Those signals that who started this process had not told to be ignored, as ``nohup`` does."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def script_of(python: str, arguments: tuple[str, ...]) -> str | None:
    """The script of a command that is nothing but this Python with a script of Snakemake."""
    if len(arguments) != 2 or arguments[0] != "-c":
        return None
    words = arguments[1].removeprefix("set -euo pipefail;").split()
    if len(words) != 2 or words[0] != python or not words[1].endswith(".py"):
        return None
    return words[1] if os.path.isfile(words[1]) else None  # not if it is quoted


def forked(connection: socket.socket, script: str) -> int | None:
    """Status of the fork: as :func:`os.waitstatus_to_exitcode` gives it, or None if there was no fork to its end."""
    request = marshal.dumps((os.path.abspath(script), os.getcwd(), dict(os.environ)))
    descriptors = array.array("i", [0, 1, 2])
    connection.sendmsg(
        [len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors.tobytes())]
    )
    connection.sendall(request)
    answer = connection.recv(4)  # its process; nothing from a server that declines
    if len(answer) < 4:
        return None
    process = int.from_bytes(answer, "big")

    def forward(number: int, frame: object) -> None:
        try:  # noqa: SIM105 - to import contextlib takes long
            os.kill(process, number)
        except ProcessLookupError:
            pass  # it has ended, and its status is on the way

    def suspend(number: int, frame: object) -> None:
        forward(signal.SIGSTOP, frame)
        os.kill(os.getpid(), signal.SIGSTOP)

    for number in heeded(SIGNALS):
        signal.signal(number, suspend if number == signal.SIGTSTP else forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    status = connection.recv(4)  # nothing once the server and the fork are gone
    return int.from_bytes(status, "big", signed=True) if len(status) == 4 else None


if __name__ == "__main__":
    main(*sys.argv[1:])
