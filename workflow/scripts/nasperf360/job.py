"""What every script of a rule shares: a log, one line instead of a traceback, and no result of code that changed."""

import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO

from nasperf360 import interruption
from nasperf360.errors import DivergedError, ShortOfMemoryError, UserError, refused_by_system
from nasperf360.failures import GOES_ON, is_final, read_failure
from nasperf360.files import write_json
from nasperf360.interruption import Interrupted
from nasperf360.stages.code_digest import check_code, code_of


def log(message: str) -> None:
    """One line for the user, on standard error and so in the job's log."""
    print(message, file=sys.stderr, flush=True)


def note(message: str) -> None:
    """One line for the job's log, which a terminal with hundreds of jobs does without."""
    if isinstance(sys.stderr, _Tee):
        sys.stderr.write(f"{message}\n", quiet=True)
    else:
        log(message)


def run_job(main: Callable[[], None], snakemake: Any, failure: str | Path | None = None) -> None:
    """Run a script's body and end the process with one clear line if it fails, and with the status of its kind.

    A job whose sources are not those that it was planned with fails too, before its body and after it; Snakemake then
    deletes the outputs.

    Args:
        main: the body.
        snakemake: the job as Snakemake gives it to the script; standard error goes to its log as well.
        failure: ``failure.json`` beside the outputs: the reason, for tables of an incomplete run. An earlier one is
            removed at the start, since a killed job has no reason, and on success, since an orphan may have left one.
            A retry of what would fail again ends by it at once.
    """
    resources = getattr(snakemake, "resources", None)
    last = read_failure(failure) if getattr(resources, "attempt", 1) > 1 else {}
    if snakemake.log:
        _tee(snakemake.log[0], "a" if is_final(last) else "w")  # what is only said again stands below its reason
    with interruption.handled():
        try:
            _end_again(last)
            _forget(failure)
            planned = code_of(snakemake.params.items())
            check_code(planned)
            _in_one_line(main)
            check_code(planned)
            _forget(failure)
        except UserError as error:
            _end(error, failure, error.status, resources)
        except Interrupted as end:
            _end(end, failure, interruption.EXIT_STATUS, resources)


def _forget(failure: str | Path | None) -> None:
    if failure:
        Path(failure).unlink(missing_ok=True)


def _end_again(last: dict[str, Any]) -> None:
    """End the process if the last attempt failed by what this one would fail by too; its reason stays."""
    if is_final(last):
        log(f"Error: {last['reason']} (said by the last attempt; nothing was done again)")
        sys.exit(DivergedError.status if last.get("kind") == DivergedError.kind else UserError.status)


def _end(error: UserError | Interrupted, failure: str | Path | None, status: int, resources: Any) -> NoReturn:
    """Say why the job ends, leave the reason beside its outputs, and end the process."""
    interruption.last_words()
    log(f"Error: {error}")
    if failure:
        # For the next attempt, which needs as much memory, or more.
        memory = getattr(resources, "mem_mb", None) if error.kind in GOES_ON else None
        found = {"reason": str(error), "kind": error.kind, "mem_mb": memory}
        try:
            write_json(failure, {key: value for key, value in found.items() if value is not None})
        except (UserError, OSError) as fault:  # a full disk, say, which may be why the job ends
            log(f"{failure}: the reason could not be written there ({fault})")
    sys.exit(status)


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
        raise ShortOfMemoryError(_out_of_memory(error)) from error
    except Exception as error:
        if isinstance(error, PermissionError) and error.filename is not None:
            raise refused_by_system(error.filename, error) from error
        if type(error).__name__ == "OutOfMemoryError":  # of torch.cuda, which this module must not import
            raise UserError(f"out of GPU memory{_asked(error)}; lower batch_size or set precision: bfloat16") from error
        if "DefaultCPUAllocator" in str(error):  # torch's, which raises no MemoryError
            raise ShortOfMemoryError(_out_of_memory(error)) from error
        traceback.print_exc()
        raise UserError(f"{type(error).__name__}: {error}") from error


def _out_of_memory(error: Exception) -> str:
    return f"out of memory{_asked(error)}; lower batch_size, or give the job more memory (mem_mb)"


def _asked(error: Exception) -> str:
    """How much was asked for, as numpy and torch say it."""
    found = re.search(r"(?:tried|unable) to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
    return f" ({found[1]} were asked for)" if found else ""


class _Tee:
    """Writes to the terminal and to the job's log. A full disk or a terminal that is gone ends no job."""

    def __init__(self, terminal: TextIO, path: str, mode: Literal["w", "a"] = "w"):
        self.terminal, self.streams = terminal, [terminal]
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            log = open(path, mode, buffering=1, encoding="utf-8")  # noqa: SIM115 - open until the process ends
            self.streams.append(log)
        except OSError as error:
            self.write(_not_logged(path, error))

    def write(self, text: str, *, quiet: bool = False) -> int:
        for stream in tuple(self.streams):
            if quiet and stream is self.terminal:
                continue
            try:
                stream.write(text)
            except OSError as error:
                self._lose(stream, error)
        return len(text)

    def flush(self) -> None:
        for stream in tuple(self.streams):
            try:
                stream.flush()
            except OSError as error:
                self._lose(stream, error)

    def _lose(self, stream: TextIO, error: OSError) -> None:
        """Do without a stream from now on, and say so on the other."""
        self.streams.remove(stream)
        with suppress(OSError):  # it still holds what could not be written
            stream.close()
        self.write(_not_logged(stream.name, error))

    def isatty(self) -> bool:
        return False


def _not_logged(path: str, error: OSError) -> str:
    return f"{path}: nothing more is written there ({error.strerror}); the job goes on\n"


def _tee(path: str, mode: Literal["w", "a"]) -> None:
    sys.stderr = _Tee(sys.__stderr__ or sys.stderr, path, mode)
