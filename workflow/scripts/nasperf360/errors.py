"""Errors for people: one sentence that names the file or key and the mend."""


class UserError(Exception):
    """Something the user can mend; shown as one line, without a traceback."""

    kind: str | None = None
    """What ``failure.json`` calls it, for those who tell failures apart by more than their sentence."""


class DataError(UserError):
    """A raw or processed file that does not hold what it should; the message names the file and the fault."""


class DivergedError(UserError):
    """Training whose loss is no longer finite: a result of the method, where other failures are accidents."""

    kind = "diverged"
