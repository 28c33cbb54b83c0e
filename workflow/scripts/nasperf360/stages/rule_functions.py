"""Functions that Snakemake calls for each job of a rule: tens of thousands of times in a large study."""

from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def of_each_job(function: Function) -> Function:
    """The function itself, with its parameters written down: Snakemake asks for them two or three times a call.

    To work them out takes ten microseconds, longer than most such functions take.
    """
    function.__signature__ = signature(function)  # type: ignore[attr-defined]  # inspect knows it
    return function
