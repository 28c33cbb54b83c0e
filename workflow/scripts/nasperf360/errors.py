"""Errors for people: one sentence that names the file or key and the mend."""


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
