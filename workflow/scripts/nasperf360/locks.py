"""Locks of the operating system: an orphaned job and its successor never write the same files at once."""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from nasperf360.errors import UserError
from nasperf360.files import disk_full_named
from nasperf360.job import log

LOOK = 0.5  # seconds that are more than enough for a look at a lock
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: str | Path, *, quiet: bool = False, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, made if need be; the process that dies lets go of it, however it dies.

    Waits for another process that holds it, and names that one. Where the file system has no locks (Lustre mounted
    without ``flock``, say), the log says so and the job goes on.

    Args:
        folder: whose file ``lock`` it is.
        quiet: to wait is nothing to speak of.
        shared: with all who hold it shared too, and with nobody who has it for himself.

    Raises:
        UserError: it is to be shared, where the file system has no locks.
    """
    path = Path(folder) / "lock"
    with _opened(path) as lock:
        if not _take(lock, fcntl.LOCK_NB, shared=shared):
            if _looked_at(lock):
                time.sleep(LOOK)
            if not _take(lock, fcntl.LOCK_NB, shared=shared):
                if not quiet:
                    log(f"{folder}: process {holder(path)} still works here; waiting for it")
                _take(lock, shared=shared)
        _sign(lock)
        yield


def try_lock(path: Path) -> TextIO | None:
    """Lock a file until it is closed, or the process dies; None if another process holds it."""
    lock = _opened(path)
    try:
        if not _take(lock, fcntl.LOCK_NB):
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


def worker_folder(folder: Path, worker: int | str) -> Path:
    """What one of several workers has for itself, of a folder that they share."""
    return folder / "workers" / str(worker)


def works_in(folder: Path) -> str | None:
    """The process that holds the lock of a folder for itself, and its machine; empty where none does.

    A process that died holds none, however it died. None where that cannot be told: nobody ever had the lock, or the
    file system has no locks.
    """
    path = folder / "lock"
    with suppress(OSError), open(path, encoding="utf-8") as lock:  # none yet, or a file system without locks
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return ""
        except BlockingIOError:
            return holder(path)
    return None


def _opened(path: Path) -> TextIO:
    with disk_full_named(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+", encoding="utf-8")


def _looked_at(lock: TextIO) -> bool:
    """Whether others share a taken lock: it may be a look of a moment (:func:`works_in`)."""
    if shared := _take(lock, fcntl.LOCK_NB, shared=True):
        fcntl.flock(lock, fcntl.LOCK_UN)  # where locks are those of NFS, two that hold it would wait for each other
    return shared


def _take(lock: TextIO, how: int = 0, *, shared: bool = False) -> bool:
    """Whether this process now has the lock, or may go on without one where there are none."""
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if shared:
            raise UserError(
                f"{Path(lock.name).parent}: its file system has no locks ({error.strerror}), so several workers would "
                f"do the same; set workers: 1 or take a file system with locks"
            ) from error
        log(
            f"{Path(lock.name).parent}: its file system has no locks ({error.strerror}); "
            f"after a killed Snakemake, end its jobs before you start again"
        )
    return True


def _sign(lock: TextIO) -> None:
    with suppress(OSError):  # on a full disk a lock without a name locks as well
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"{os.getpid()} on {platform.node()}".encode())
