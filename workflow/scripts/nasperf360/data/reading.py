"""What readers of raw and processed files share: one sentence for whatever a damaged file makes a library raise."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nasperf360.errors import DataError, UserError

MOST_NAMED = 100
"""Faulty files that one message names."""

LARGEST_RATIO = 1032
"""How many bytes deflate makes of one, at the most: what a file may declare by its size."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Turn what libraries raise at a damaged file into one sentence with its name.

    Args:
        path: the file.
        kind: what it should be, as in "a wave file".

    Raises:
        DataError: for any exception but ours, the machine's (an OSError with a number) and a lack of memory.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if is_of_machine(error):
            raise
        raise DataError(f"{path}: cannot be read as {kind}, it is truncated or damaged ({in_words(error)})") from error


def is_of_machine(error: Exception) -> bool:
    """Whether the machine is at fault, a full disk say, not what a file holds.

    Libraries report damage as an OSError without a number; a nonsensical offset or name in a file gives one of a few.
    """
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EOVERFLOW, errno.ENAMETOOLONG)


def in_words(error: Exception) -> str:
    """An exception in one line: its message, and its type where that says more."""
    text = " ".join(str(error).split())[:200]
    plain = isinstance(error, ValueError | OSError) or (type(error).__name__.endswith("Error") and " " in text)
    return text if text and plain else f"{type(error).__name__}: {text}" if text else type(error).__name__


def check_size(path: str | Path, what: str, declared: int, stored: int) -> None:
    """Refuse an array that its file has not the bytes for, before memory is asked for it.

    Args:
        path: the file.
        what: the array in it.
        declared: bytes of the array.
        stored: bytes that it is made of, maybe compressed.

    Raises:
        DataError: they are too few.
    """
    if declared > max(stored, 1) * LARGEST_RATIO:
        raise DataError(
            f"{path}: {what} would take {declared} bytes, but the file holds {stored} for it; it is damaged"
        )


def each(items: Iterable[Item], check: Callable[[Item], Result]) -> list[Result]:
    """What ``check`` gives for each of many files; all that are faulty are named together, before hours of work.

    Raises:
        DataError: the sentences of all faulty files.
    """
    results, faults, count = [], [], 0
    for item in items:
        count += 1
        try:
            results.append(check(item))
        except DataError as error:
            faults.append(str(error))
    if len(faults) > 1:
        left_out = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise DataError(f"{len(faults)} of {count} files are faulty: {'; '.join(faults[:MOST_NAMED])}{left_out}")
    if faults:
        raise DataError(faults[0])
    return results
