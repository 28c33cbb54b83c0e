"""What the scripts that people start themselves share: one line instead of a traceback."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from nasperf360 import interruption
from nasperf360.errors import UserError


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's body and end the process: with what it returns, or one line and the status of what ended it."""
    with interruption.handled():
        try:
            status = main()
            sys.stdout.flush()
            sys.exit(status)
        except BrokenPipeError:  # as of `| head`: who reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except UserError as error:
            sys.exit(f"Error: {error}")
        except interruption.Interrupted as end:
            print(f"Error: interrupted by {end.signal}", file=sys.stderr)
            sys.exit(interruption.EXIT_STATUS)


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument that is a number within bounds."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no number from {low:g} to {high:g}")
        return value

    return read
