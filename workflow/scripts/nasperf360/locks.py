"""Locks of the operating system: an orphaned job and its successor never write the same files at once."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from nasperf360.files import disk_full_named
from nasperf360.job import log

UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: str | Path, *, quiet: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, made if need be; the process that dies lets go of it, however it dies.

    Waits for another process that holds it, and names that one. Where the file system has no locks (Lustre mounted
    without ``flock``, say), the log says so and the job goes on.

    Args:
        folder: whose file ``lock`` it is.
        quiet: to wait is nothing to speak of.
    """
    path = Path(folder) / "lock"
    with _opened(path) as lock:
        if not _take(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if not quiet and not _looked_at(lock):
                log(f"{folder}: process {holder(path)} still works here; waiting for it")
            _take(lock, fcntl.LOCK_EX)
        _sign(lock)
        yield


def try_lock(path: Path) -> TextIO | None:
    """Lock a file until it is closed, or the process dies; None if another process holds it."""
    lock = _opened(path)
    try:
        if not _take(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            lock.close()
            return None
    except OSError:
        lock.close()
        raise
    _sign(lock)
    return lock


def holder(path: Path) -> str:
    """The process that has locked a file, and its machine."""
    return path.read_text(encoding="utf-8").strip() or "?"


def _opened(path: Path) -> TextIO:
    with disk_full_named(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+", encoding="utf-8")


def _looked_at(lock: TextIO) -> bool:
    """Whether a taken lock is only looked at for a moment (``study/running.py``): who works has it to itself."""
    if shared := _take(lock, fcntl.LOCK_SH | fcntl.LOCK_NB):
        fcntl.flock(lock, fcntl.LOCK_UN)  # where locks are those of NFS, two that hold it would wait for each other
    return shared


def _take(lock: TextIO, how: int) -> bool:
    """Whether this process now has the lock, or may go on without one where there are none."""
    try:
        fcntl.flock(lock, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        log(
            f"{Path(lock.name).parent}: its file system has no locks ({error.strerror}); "
            f"after a killed Snakemake, end its jobs before you start again"
        )
    return True


def _sign(lock: TextIO) -> None:
    with suppress(OSError):  # on a full disk a lock without a name locks as well
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"{os.getpid()} on {platform.node()}".encode())
