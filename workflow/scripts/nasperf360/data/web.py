"""One file from a web server, whole or not at all: continued after a break, patient with a busy server.

The bytes that came stay in ``<target>.part``; ``.<target>.part.json`` beside it notes what they are of.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests import Response
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProtocolError, ReadTimeoutError

from nasperf360.data.answers import AGAIN, LATER, Identity, NotContinued, Passing, Wanted, accept
from nasperf360.data.sources import SourceFile
from nasperf360.data.transfer import bar, pour, verify
from nasperf360.errors import DataError, UserError
from nasperf360.files import BLOCK, disk_full_named, remembered, write_json
from nasperf360.job import log

CONNECT_SECONDS, SILENCE_SECONDS = 15, 60
SLOWEST, SLOW_SECONDS = 1000, 60  # fewer bytes per second over so many seconds are as good as a broken connection
# Patience with one file: waits of 0, 2, 4, ... 120 s, six minutes in all, or as Retry-After says, at most ten minutes
# each. Who cannot be reached at all is asked three times more; what is the fault of neither line nor server, not again.
PATIENCE = urllib3.Retry(total=9, connect=3, other=0, backoff_factor=1, backoff_max=120, retry_after_max=600)


def download(
    url: str, target: Path, expected: SourceFile, progress: bool, label: str = "", setting: str = "its address"
) -> None:
    """Download a file; what came of it stays in ``<target>.part``, and the next attempt or call continues there.

    Args:
        url: where it is.
        target: where it goes, once it is whole and verified.
        expected: its size and checksum, where known.
        progress: whether to show a progress bar on standard error.
        label: what to call the address in messages, and to recognise it by, where the url holds a signature.
        setting: what to correct if the address is wrong, as messages name it.

    Raises:
        UserError: the server cannot be reached, stays busy, refuses, or breaks off again and again.
        DataError: it sends something else: a web page, another size, a wrong checksum, what was not asked for.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(label or url, expected, setting)
    part = _Part(target.with_name(f"{target.name}.part"), target.with_name(f".{target.name}.part.json"))
    patience, furthest = PATIENCE, 0
    while True:
        try:
            _attempt(url, wanted, part, progress)
            break
        except Passing as fault:
            if isinstance(fault, NotContinued):
                part.discard()
            if part.size >= furthest + BLOCK:  # a server that gets on deserves new patience
                patience, furthest = PATIENCE, part.size
            patience = _wait(fault, patience, wanted.label)
    try:
        if not part.size and expected.bytes != 0:
            raise DataError(f"{wanted.label}: the server sends an empty file; {wanted.by_hand}")
        verify(part.path, expected, f"run the same command to fetch it anew from {wanted.label}")
    except DataError:
        part.discard()
        raise
    os.replace(part.path, target)
    part.note.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Part:
    """The bytes of a file that came so far, and a note of what they are of."""

    path: Path
    note: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def known(self, wanted: Wanted) -> Identity | None:
        """What the bytes are of; those that nothing can be added to with certainty are thrown away."""
        try:
            known = Identity(**remembered(self.note))
        except TypeError:  # no note, or one of another version
            known = None
        if known and self.size and (known.address, known.checksum) == (wanted.label, wanted.checksum):
            within = known.total is None or self.size < known.total
            if known.whole or (within and (known.validator or known.checksum)):
                return known
        self.discard()
        return None

    def begin(self, identity: Identity) -> None:
        """Note what is to come; first of all what came goes, since bytes of one file and the note of another lie."""
        self.discard()
        write_json(self.note, asdict(identity))

    def complete(self, identity: Identity) -> None:
        """Note that all came: a kill while a large file is verified costs no second download."""
        write_json(self.note, {**asdict(identity), "whole": True})

    def discard(self) -> None:
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def _attempt(url: str, wanted: Wanted, part: _Part, progress: bool) -> None:
    """Ask for what is missing, and receive it.

    Raises:
        Passing: the file is not whole yet, but another attempt may make it so.
        UserError, DataError: no other attempt will.
    """
    known = part.known(wanted)
    if known and known.whole:
        return
    # Connection: close, because then the end of the answer shows whether more came than was said.
    headers = {"Accept-Encoding": "identity", "Connection": "close"}
    if known:
        headers["Range"] = f"bytes={part.size}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with _ask(url, headers, wanted) as response:
        identity = accept(response, wanted, known, part.size)
        if identity is not known:
            part.begin(identity)
        start = part.size
        try:
            with disk_full_named(part.path), open(part.path, "ab") as writer:
                progress_bar = bar(wanted.name, identity.total, start, progress)
                pour(_body(response, start, identity.total, wanted), writer, progress_bar)
        except DataError:
            part.discard()
            raise
    part.complete(identity)


def _ask(url: str, headers: dict[str, str], wanted: Wanted) -> Response:
    try:
        return requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS))
    except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: a redirect to nonsense
        cause = _cause(error)
        if isinstance(cause, ReadTimeoutError | ProtocolError):
            raise Passing(f"the server does not answer ({_words(cause)})", LATER, cause) from error
        mend = f"check the network and {wanted.setting}, or set 'mirror' to a folder that holds {wanted.name}"
        raise Passing(f"cannot be reached ({_words(cause)})", mend, cause) from error


def _body(response: Response, came: int, total: int | None, wanted: Wanted) -> Iterator[bytes]:
    """The bytes of an answer, to the end of its connection.

    Args:
        response: the answer.
        came: how many bytes of the file came before.
        total: how many it has, where that was said.
        wanted: what was asked for.
    """
    raw: Any = response.raw
    # Both libraries stop where Content-Length says; without it they show what a server sends beyond.
    raw.length_remaining = raw._fp.length = None
    since, recent = time.monotonic(), 0
    while True:
        try:
            block = raw.read1(BLOCK, decode_content=False)  # what is there: to wait for more would hide how slow it is
        except HTTPError as error:
            if came == total:  # whole, whatever happens to the connection then
                return
            raise Passing(f"the connection broke after {came} bytes", AGAIN) from error
        if not block:
            break
        came, recent = came + len(block), recent + len(block)
        if total is not None and came > total:
            raise DataError(f"{wanted.label}: the server sends more than the {total} bytes it says; {wanted.by_hand}")
        yield block
        seconds = time.monotonic() - since
        if seconds >= SLOW_SECONDS and came != total:
            if recent < SLOWEST * seconds:
                raise Passing(f"only {recent} bytes came in {seconds:.0f} s, {came} in all", AGAIN)
            since, recent = time.monotonic(), 0
    if total is not None and came < total:
        raise Passing(f"the connection broke after {came} of {total} bytes", AGAIN)


def _wait(fault: Passing, patience: urllib3.Retry, label: str) -> urllib3.Retry:
    """The patience that is left after a fault, once the time to wait is over.

    Raises:
        UserError: none is left.
    """
    try:
        patience = patience.increment("GET", error=fault.cause)
    except HTTPError as error:
        raise UserError(f"{label}: {fault}; {fault.mend}") from error
    seconds = _retry_after(patience, fault.retry_after) or patience.get_backoff_time()
    log(f"{label}: {fault}; asking again in {seconds:.0f} s")
    time.sleep(seconds)
    return patience


def _retry_after(patience: urllib3.Retry, said: str) -> float:
    """Seconds that a server asks to wait; 0 where it asks for none, or for nonsense."""
    try:
        return patience.parse_retry_after(said)
    except (HTTPError, ValueError, OverflowError, TypeError, IndexError):
        return 0


def _cause(error: Exception) -> Exception:
    """What urllib3 said of a request that failed."""
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    return cause if isinstance(cause, Exception) else error


def _words(error: Exception) -> str:
    """The innermost cause of a network error, in a few words."""
    if type(error) is ConnectTimeoutError:
        return f"no answer in {CONNECT_SECONDS} s"
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    text = " ".join(str(error).split())
    return text.rsplit(": ", 1)[-1][:200] or type(error).__name__
