"""A web server on loopback that answers as a test tells it to, byte by byte, also as no server should."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.running import running


@dataclass(frozen=True)
class Answer:
    """What is sent for one request; with Connection: close, the headers are all there are."""

    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: int | None = None  # bytes of the body before the connection breaks
    pause: float = 0.0  # seconds after each byte
    silent: bool = False  # the connection breaks before the answer
    open: float = 0.0  # seconds that the connection stays open after the answer


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("Range")

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        return int(self.range.removeprefix("bytes=").rstrip("-")) if self.range else 0


Script = Callable[[Request], Answer]


class WaywardServer(ThreadingHTTPServer):
    """Answers each request by ``script``; ``requests`` holds them."""

    daemon_threads = True

    def __init__(self, script: Script):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """Keep quiet: clients hang up on what they refuse."""


class _Handler(BaseHTTPRequestHandler):
    server: WaywardServer

    def do_GET(self) -> None:
        request = Request(self.path, self.headers)
        self.server.requests.append(request)
        answer = self.server.script(request)
        self.close_connection = True
        if answer.silent:
            return
        headers = {"Connection": "close", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1"))
        body = answer.body if answer.drop is None else answer.body[: answer.drop]
        if not answer.pause:
            self.wfile.write(body)
        for byte in body if answer.pause else ():
            self.wfile.write(bytes([byte]))
            time.sleep(answer.pause)
        time.sleep(answer.open)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def wayward_server(script: Script) -> Iterator[WaywardServer]:
    """A running server, stopped at the end."""
    with running(WaywardServer(script)) as server:
        yield server


def whole(content: bytes, **headers: str) -> Answer:
    """The answer of a good server that does not know ranges."""
    return Answer("200 OK", {"Content-Length": str(len(content)), **headers}, content)


def ranged(content: bytes, request: Request, etag: str = '"one"') -> Answer:
    """The answer of a good server that does, by a strong ETag."""
    if request.range is None or request.headers.get("If-Range", etag) != etag:
        return whole(content, ETag=etag)
    if request.start >= len(content):
        return Answer("416 Range Not Satisfiable", {"Content-Length": "0"})
    rest = content[request.start :]
    headers = {
        "Content-Length": str(len(rest)),
        "Content-Range": f"bytes {request.start}-{len(content) - 1}/{len(content)}",
        "ETag": etag,
    }
    return Answer("206 Partial Content", headers, rest)


def chunked(content: bytes, size: int = 1000) -> bytes:
    """A body in chunks."""
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
