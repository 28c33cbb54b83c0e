"""Errors for people: one sentence that names the file or key and the mend."""

from os import PathLike


class UserError(Exception):
    """Something the user can mend; shown as one line, without a traceback."""

    kind: str | None = None
    """What ``failure.json`` calls it, for those who tell failures apart by more than their sentence."""

    status = 1
    """Exit status of a job that ends by it."""


class DataError(UserError):
    """A raw or processed file that does not hold what it should; the message names the file and the fault."""


class DivergedError(UserError):
    """Training whose loss is no longer finite: a result of the method, where other failures are accidents."""

    kind = "diverged"
    status = 65  # EX_DATAERR of sysexits.h


class NoGpuError(UserError):
    """No GPU that torch can use on this machine: another attempt may come to another node."""

    kind = "device"
    status = 69  # EX_UNAVAILABLE


class ShortOfMemoryError(UserError):
    """The job's memory is too small: another attempt with more may do."""

    kind = "memory"
    status = 71  # EX_OSERR


def refused_by_system(path: str | PathLike[str], error: OSError, done: str = "read or written") -> UserError:
    """What a system says of a file as an error for the user.

    Args:
        path: of the file; an error of an open file does not name it.
        error: what the system said.
        done: what could not be done with it.
    """
    mend = "give yourself the right to do so" if isinstance(error, PermissionError) else "correct that and run again"
    return UserError(f"{path}: cannot be {done} ({error.strerror}); {mend}")


def again(path: object, what: str = "it") -> str:
    """How to make a file anew that Snakemake takes for up to date, or does not miss since what is made of it exists."""
    return f"make {what} anew: snakemake --cores 1 --force {path}, with the run's --config"
