"""Functions that Snakemake calls for each job of a rule: tens of thousands of times in a large study."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, TypeVar

from nasperf360.errors import UserError, refused_by_system

Function = TypeVar("Function", bound=Callable[..., Any])


def of_each_job(function: Function) -> Function:
    """The function itself, with its parameters written down: Snakemake asks for them two or three times a call.

    To work them out takes ten microseconds, longer than most such functions take.
    """
    function.__signature__ = signature(function)  # type: ignore[attr-defined]  # inspect knows it
    return function


@contextmanager
def ending_the_run() -> Iterator[None]:
    """End the run by one sentence where a user or a system is at fault: of exceptions Snakemake shows tracebacks."""
    try:
        yield
    except UserError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"Error: {refused_by_system(error.filename, error)}")
