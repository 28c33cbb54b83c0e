"""What the addresses of raw files answer now, without downloading the files."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses

import requests

from nasperf360.data.answers import is_web_page, strong_validator
from nasperf360.data.sources import Source, SourceFile

SECONDS = 20  # to wait for a connection, and for an answer
AT_ONCE = 8
_TOTAL = re.compile(r"bytes 0-\d+/(\d+)")


@dataclass(frozen=True)
class Answer:
    """What an address answers.

    Args:
        task, file: what is asked for.
        address: empty for a file that is to be had by hand.
        fault: why it does not serve the file; empty if it does.
        bytes: size of the file, if the server says it.
        resumable: whether a download that breaks off can be continued there.
    """

    task: str
    file: SourceFile
    address: str
    fault: str = ""
    bytes: int | None = None
    resumable: bool = False


def ask(sources: Iterable[Source]) -> list[Answer]:
    """Ask all addresses of all files of some tasks, in their order, several at once."""
    places = [
        (source.task, file, address)
        for source in sources
        for file in source.files
        for address in (file.addresses or ("",))
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda place: _ask(*place), places))


def _ask(task: str, file: SourceFile, address: str) -> Answer:
    if not address:
        return Answer(task, file, address, "by hand")
    try:
        headers = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
        with requests.get(address, headers=headers, stream=True, timeout=SECONDS) as response:
            return _answer(task, file, address, response)
    except (requests.RequestException, ValueError) as error:
        return Answer(task, file, address, f"cannot be reached ({type(error).__name__})")


def _answer(task: str, file: SourceFile, address: str, response: requests.Response) -> Answer:
    status = response.status_code
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return Answer(task, file, address, f"{status} {responses.get(status, '')}".strip())
    if is_web_page(response):
        return Answer(task, file, address, "a web page")
    in_parts = status == HTTPStatus.PARTIAL_CONTENT
    found = _TOTAL.fullmatch(response.headers.get("Content-Range", "").strip()) if in_parts else None
    said = found[1] if found else "" if in_parts else response.headers.get("Content-Length", "").strip()
    size = int(said) if re.fullmatch("[0-9]{1,18}", said) else None
    fault = f"{size} bytes, not {file.bytes}" if None not in (size, file.bytes) and size != file.bytes else ""
    resumable = in_parts and bool(file.checked or strong_validator(response))
    return Answer(task, file, address, fault, size, resumable)


def unserved(answers: Iterable[Answer]) -> list[tuple[str, str]]:
    """Task and name of the files that none of their addresses serves."""
    served: dict[tuple[str, str], bool] = {}
    for answer in answers:
        key = answer.task, answer.file.name
        served[key] = served.get(key, False) or not answer.fault
    return [key for key, good in served.items() if not good]
