"""What every script of a rule shares: a log, one line instead of a traceback, and no result of code that changed."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nasperf360.errors import UserError
from nasperf360.files import write_json
from nasperf360.stages.code_digest import check_code, code_of


def log(message: str) -> None:
    """One line for the user, on standard error and so in the job's log."""
    print(message, file=sys.stderr, flush=True)


def run_job(main: Callable[[], None], snakemake: Any, failure: str | Path | None = None) -> None:
    """Run a script's body and end the process with status 1 and one clear line if it fails.

    A job whose sources are not those that it was planned with fails too, before its body and after it; Snakemake then
    deletes the outputs.

    Args:
        main: the body.
        snakemake: the job as Snakemake gives it to the script; standard error goes to its log as well.
        failure: ``failure.json`` beside the outputs: the reason, for tables of an incomplete run. An earlier one is
            removed at the start, since a killed job has no reason, and on success, since an orphan may have left one.
    """
    if snakemake.log:
        _tee(snakemake.log[0])
    if failure:
        Path(failure).unlink(missing_ok=True)
    planned = code_of(snakemake.params.items())
    try:
        check_code(planned)
        _in_one_line(main)
        check_code(planned)
    except UserError as error:
        log(f"Error: {error}")
        if failure:
            write_json(failure, {"reason": str(error)} | ({"kind": error.kind} if error.kind else {}))
        sys.exit(1)
    if failure:
        Path(failure).unlink(missing_ok=True)


def _in_one_line(main: Callable[[], None]) -> None:
    """Run a script's body.

    Raises:
        UserError: for whatever the body raises; the traceback of what is no user's mistake is printed.
    """
    try:
        main()
    except UserError:
        raise
    except MemoryError as error:
        raise UserError("out of memory; lower batch_size, or give the job more memory (mem_mb)") from error
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # of torch.cuda, which this module must not import
            raise UserError("out of GPU memory; lower batch_size or set precision: bfloat16") from error
        traceback.print_exc()
        raise UserError(f"{type(error).__name__}: {error}") from error


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


def _tee(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = _Tee(sys.__stderr__, open(path, "w", buffering=1))  # noqa: SIM115 - open until the process ends
