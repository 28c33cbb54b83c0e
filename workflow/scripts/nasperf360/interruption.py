"""Signals that end a job: where it takes steps it saves its state first, anywhere else it ends at once.

SIGTERM comes at the time limit of a cluster's scheduler (SIGKILL follows it), SIGINT from Ctrl-C, SIGUSR1 as a
scheduler's warning, SIGHUP when a terminal is closed. What a parent process had ignored stays ignored, but for that
warning, which is meant for the job alone: those around it in its process group ignore it to live on.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
EXIT_STATUS = 75
"""Of a job that was interrupted: EX_TEMPFAIL of sysexits.h, "try again"."""


class Interrupted(BaseException):
    """A signal asked the process to end. Like KeyboardInterrupt no Exception: who handles errors must not keep it.

    Args:
        signal: its name.
        saved: what of the work is saved, if the job knows.
    """

    kind = "interrupted"

    def __init__(self, signal: str, saved: str = ""):
        super().__init__(signal)
        self.signal, self.saved = signal, saved

    def __str__(self) -> str:
        if self.saved:
            return f"interrupted by {self.signal}; the same command goes on after {self.saved}, which is saved"
        return f"interrupted by {self.signal}; the same command goes on from what is saved, or starts again"


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C where nothing handles it yet, such as in the imports of a script, is no traceback either."""
    if issubclass(kind, KeyboardInterrupt):
        print(f"Error: {Interrupted('SIGINT')}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _one_line


class _Signals:
    """What this process was asked."""

    asked: str | None = None  # the name of a signal that waits for an answer
    held = False


def asked() -> str | None:
    """The name of the signal that asked the job to end, while :func:`held_back` keeps it waiting."""
    return _Signals.asked


@contextmanager
def handled() -> Iterator[None]:
    """Within, signals raise :class:`Interrupted`; once one came, this process takes no other to its end.

    In another than the main thread it does nothing: it cannot.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Signals.asked, _Signals.held = None, False
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ignored = {number for number, handler in before.items() if handler is signal.SIG_IGN} - {signal.SIGUSR1}
    before = {number: handler for number, handler in before.items() if number not in ignored}
    try:
        for number in before:
            signal.signal(number, _note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _Signals.asked else handler)


def last_words() -> None:
    """The job ends and says why: whatever comes now waits. Schedulers and terminals ask more than once."""
    _Signals.held = True


@contextmanager
def held_back() -> Iterator[None]:
    """Within, signals wait: for who looks at :func:`asked` where the job can end, or for the end of this.

    Raises:
        Interrupted: at the end, if one waits.
    """
    before, _Signals.held = _Signals.held, True
    try:
        yield
    finally:
        _Signals.held = before
    _answer()


@contextmanager
def let_through() -> Iterator[None]:
    """Within, inside of :func:`held_back`, signals end the job at once, one that waits too.

    Raises:
        Interrupted: one came.
    """
    before, _Signals.held = _Signals.held, False
    try:
        _answer()
        yield
    finally:
        _Signals.held = before


def _answer() -> None:
    if _Signals.asked and not _Signals.held:
        raise Interrupted(_Signals.asked)


def _note(number: int, frame: FrameType | None) -> None:
    _Signals.asked = signal.Signals(number).name
    _answer()
