"""What a web server may answer to the request for a file, or for the rest of one.

Most sources publish no checksum, so that nothing but the answer tells the file from something else. Accepted are 200,
and 206 if a range was asked for and its start, total and validator are those of the bytes that came before; whatever
else comes is refused.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses

from requests import Response

from nasperf360.data.sources import SourceFile
from nasperf360.errors import DataError, UserError

PASSING = frozenset({429, 500, 502, 503, 504})  # what a server answers that may do better in a while
AGAIN = "run the same command again, it continues from there"
LATER = "run the same command again later"

_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_KEPT_BACK = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NO_RANGE = frozenset({HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
_WEB_PAGE = ("text/html", "application/xhtml")
_NUMBER = "[0-9]{1,18}"
_RANGE = re.compile(f"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER})")


class Passing(Exception):
    """A fault that may pass, so that the request is worth another attempt.

    Args:
        fault: what happened.
        mend: what to do if it happens again and again.
        cause: the error of urllib3, by which its ``Retry`` tells what another attempt is worth.
        retry_after: when the server wants to be asked again, as it says.
    """

    def __init__(self, fault: str, mend: str, cause: Exception | None = None, retry_after: str = ""):
        super().__init__(fault)
        self.mend, self.cause, self.retry_after = mend, cause, retry_after


@dataclass(frozen=True)
class Wanted:
    """A file that is asked for, as messages speak of it."""

    label: str  # its address, without what must not be shown
    expected: SourceFile  # its size and checksum, where known
    setting: str  # what to correct if the address is wrong

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.expected.name.rsplit("/", 1)[-1]

    @property
    def checksum(self) -> str:
        """Empty where none is known."""
        return self.expected.sha256 or self.expected.md5

    @property
    def by_hand(self) -> str:
        """The mend where the server sends it to people only."""
        return f"get {self.name} in a browser and set 'mirror' to a folder that holds it"


@dataclass(frozen=True)
class Identity:
    """What bytes are of, as far as one can know, so that others can be added to them."""

    address: str
    checksum: str  # the one expected
    validator: str  # the server's strong ETag
    total: int | None  # bytes of the whole file
    whole: bool = False  # all of them came, and only their verification is left


def accept(response: Response, wanted: Wanted, known: Identity | None, size: int) -> Identity:
    """What the body of an answer is of.

    Args:
        response: the answer, its body unread.
        wanted: what was asked for.
        known: what the bytes are of that came before; None where the whole file was asked for.
        size: how many these are.

    Returns:
        ``known`` itself if the body is the rest of it, else what the body is the whole of.

    Raises:
        Passing: the server is busy, or does not continue what it began.
        UserError: it sends no file.
        DataError: it sends something else: a web page, another size, or what was not asked for.
    """
    status = response.status_code
    reason = f"{status} {responses.get(status, '')}".strip()
    if status in PASSING:
        fault = f"the server {'is busy' if status in _BUSY else 'has a fault'} ({reason})"
        raise Passing(fault, LATER, retry_after=response.headers.get("Retry-After", ""))
    if known and status in _NO_RANGE:
        if status == HTTPStatus.PARTIAL_CONTENT and _continues(response, wanted, known, size):
            return known
        raise NotContinued("the server does not continue the file that it began", LATER)
    if status != HTTPStatus.OK:
        raise UserError(f"{wanted.label}: the server answers {reason}{_no_file(status, wanted)}")
    _check_form(response, wanted)
    if not response.headers.get("Content-Range", "bytes 0-").startswith("bytes 0-"):
        raise DataError(f"{wanted.label}: the server sends a part for the whole file; {wanted.by_hand}")
    return Identity(wanted.label, wanted.checksum, strong_validator(response), _total(response, wanted))


class NotContinued(Passing):
    """The bytes that came before are of no use any more."""


def _no_file(status: int, wanted: Wanted) -> str:
    """The end of a sentence on a status without a file."""
    if status == HTTPStatus.ACCEPTED:
        return f", not with the file; {LATER}"
    if status in _KEPT_BACK:
        return f"; {wanted.by_hand}"
    if status >= HTTPStatus.BAD_REQUEST:
        return f"; correct {wanted.setting}"
    return f", which was not asked for; {wanted.by_hand}"


def _continues(response: Response, wanted: Wanted, known: Identity, size: int) -> bool:
    """Whether a 206 is the rest of the very file whose first ``size`` bytes came before."""
    _check_form(response, wanted)
    length, found = _length(response, wanted), _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found:
        return False
    first, last, total = map(int, found.groups())
    return (
        first == size
        and last + 1 == total == (known.total or total)
        and length in (None, total - size)
        and (not known.validator or strong_validator(response) == known.validator)
    )


def _check_form(response: Response, wanted: Wanted) -> None:
    """Refuse a body in another form than the file's own bytes."""
    if is_web_page(response) and not wanted.name.endswith((".html", ".htm")):
        raise DataError(f"{wanted.label}: the server sends a web page, not {wanted.name}; {wanted.by_hand}")
    for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        encoding = response.headers.get(header, "").strip()
        if encoding.lower() not in ("", plain):
            raise DataError(
                f"{wanted.label}: the server sends the file encoded ({header}: {encoding[:40]}), "
                f"which was not asked for; {wanted.by_hand}"
            )


def _length(response: Response, wanted: Wanted) -> int | None:
    said = response.headers.get("Content-Length")
    if said is not None and not re.fullmatch(_NUMBER, said.strip()):
        raise DataError(
            f"{wanted.label}: the server says 'Content-Length: {said[:40]}', which is no size; {wanted.by_hand}"
        )
    return None if said is None else int(said)


def _total(response: Response, wanted: Wanted) -> int | None:
    """Bytes of the whole file; None only where its end is known otherwise: by chunks or a checksum."""
    total, bytes_expected = _length(response, wanted), wanted.expected.bytes
    if None not in (total, bytes_expected) and total != bytes_expected:
        raise DataError(
            f"{wanted.label}: the server offers {total} bytes, but {bytes_expected} are expected; "
            f"correct {wanted.setting}"
        )
    if total is None and bytes_expected is None and "Transfer-Encoding" not in response.headers and not wanted.checksum:
        raise DataError(
            f"{wanted.label}: the server does not say how long the file is, so that a broken connection would go "
            f"unnoticed; {wanted.by_hand}"
        )
    return bytes_expected if total is None else total


def is_web_page(response: Response) -> bool:
    """Whether the body is what a browser shows: a login or an error page in the place of a file."""
    return response.headers.get("Content-Type", "").strip().lower().startswith(_WEB_PAGE)


def strong_validator(response: Response) -> str:
    """The strong ETag: a weak one, and a date in seconds, may stand for different bytes."""
    etag = response.headers.get("ETag", "").strip()
    return etag if re.fullmatch('"[!#-~]*"', etag) else ""
