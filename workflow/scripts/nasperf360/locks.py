"""Locks of the operating system: an orphaned job and its successor never write the same files at once."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nasperf360.files import disk_full_named
from nasperf360.job import log

UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder, made if need be; the process that dies lets go of it, however it dies.

    Waits for another process that holds it, and names that one. Where the file system has no locks (Lustre mounted
    without ``flock``, say), the log says so and the job goes on.
    """
    folder = Path(folder)
    with disk_full_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - closed below
    with lock:
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                log(f"{folder}: process {lock.read().strip() or '?'} still works here; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            log(
                f"{folder}: its file system has no locks ({error.strerror}); "
                f"after a killed Snakemake, end its jobs before you start again"
            )
        with suppress(OSError):  # on a full disk a lock without a name locks as well
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"{os.getpid()} on {platform.node()}".encode())
        yield
