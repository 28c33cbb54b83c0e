"""What every script of a rule shares: a log, and one line instead of a traceback for a user's mistake."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import write_json


def note(message: str) -> None:
    """One line for the user, on standard error and so in the job's log."""
    print(message, file=sys.stderr, flush=True)


def run_job(main: Callable[[], None], log: str | None = None, failure: str | Path | None = None) -> None:
    """Run a script's body and end the process with status 1 and one clear line if it fails.

    Args:
        main: the body.
        log: file that standard error goes to as well.
        failure: ``failure.json`` beside the outputs: the reason, for tables of an incomplete run. An earlier one is
            removed at the start, since a killed job has no reason, and on success, since an orphan may have left one.
    """
    if log:
        _tee(log)
    if failure:
        Path(failure).unlink(missing_ok=True)
    reason: str | None = None
    try:
        main()
    except UserError as error:
        reason = str(error)
    except MemoryError:
        reason = "out of memory; lower batch_size, or give the job more memory (mem_mb)"
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of torch.cuda, which this module must not import
            reason = "out of GPU memory; lower batch_size or set precision: bfloat16"
        else:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}"
    if reason is None:
        if failure:
            Path(failure).unlink(missing_ok=True)
        return
    note(f"Error: {reason}")
    if failure:
        write_json(failure, {"reason": reason})
    sys.exit(1)


class _Tee:
    """Writes to two streams, so that progress shows on the terminal and stays in the log."""

    def __init__(self, *streams: Any):
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return False


def _tee(log: str) -> None:
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = _Tee(sys.__stderr__, open(log, "w", buffering=1))  # noqa: SIM115 - open until the process ends
