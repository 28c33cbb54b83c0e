"""What the scripts that people start themselves share: one line instead of a traceback."""

import sys
from collections.abc import Callable
from typing import NoReturn

from nasperf360 import interruption
from nasperf360.errors import UserError


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's body and end the process: with what it returns, or one line and the status of what ended it."""
    with interruption.handled():
        try:
            sys.exit(main())
        except UserError as error:
            sys.exit(f"Error: {error}")
        except interruption.Interrupted as end:
            print(f"Error: interrupted by {end.signal}", file=sys.stderr)
            sys.exit(interruption.EXIT_STATUS)
