"""Errors for people: one sentence that names the file or key and the mend."""


class UserError(Exception):
    """Something the user can mend; shown as one line, without a traceback."""


class DataError(UserError):
    """A raw or processed file that does not hold what it should; the message names the file and the fault."""


class DivergedError(UserError):
    """Training whose loss is no longer finite."""
