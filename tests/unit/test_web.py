"""Downloads from servers that are busy, break off, change the file meanwhile, or send what was not asked for."""

import hashlib
import json
import time
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace

import numpy as np
import pytest
import urllib3

from nasperf360.data import web
from nasperf360.data.download import fetch
from nasperf360.data.sources import Source, SourceFile
from nasperf360.errors import DataError, UserError
from services.wayward import Answer, chunked, ranged, wayward_server, whole

CONTENT = np.random.default_rng(0).bytes(5000)
OTHER = CONTENT[::-1]
MD5 = hashlib.md5(CONTENT).hexdigest()
SIZED = {"Content-Length": str(len(CONTENT))}
FETCHED = ("a.csv", "files.json", ".fetched/a.csv.json")
BUSY = Answer("503 Service Unavailable", {"Content-Length": "0"})


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The waits between attempts, which take no time."""
    waited = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=waited.append, monotonic=time.monotonic))
    return waited


def get(server, folder, **changes):
    """Fetch ``a.csv`` from the server; what it holds, once it is whole."""
    file = {"name": "a.csv", "role": "train", "url": f"{server.url}/a.csv", **changes}
    fetch(Source.parse("ecg", {"licence": "CC0", "files": [file]}), folder / "raw", progress=False)
    return (folder / "raw/a.csv").read_bytes()


def refused(server, folder, error=UserError, **changes):
    """The sentence that ends a fetch, after which nothing stands as fetched."""
    with pytest.raises(error) as caught:
        get(server, folder, **changes)
    assert not [name for name in FETCHED if (folder / "raw" / name).exists()]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_turn(*answers):
    """A script: the answers one after the other, the last for ever; one may be a function of the request."""
    left = list(answers)

    def script(request):
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer(request) if callable(answer) else answer

    return script


def good(request):
    return ranged(CONTENT, request)


def cut(after=2000, etag='"one"'):
    """The whole file, but the connection breaks."""
    return replace(whole(CONTENT, **({"ETag": etag} if etag else {})), drop=after)


# -- what is refused at once -------------------------------------------------------------------------------------------

BY_HAND = "; get a.csv in a browser and set 'mirror' to a folder that holds it"
CORRECT = "; correct the entry of 'a.csv' in the sources file"
NOT_ASKED = f", which was not asked for{BY_HAND}"


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (replace(whole(CONTENT), status="201 Created"), f"answers 201 Created{NOT_ASKED}"),
        (replace(whole(CONTENT), status="202 Accepted"), "202 Accepted, not with the file; run the same command again"),
        (replace(whole(CONTENT), status="203 Non-Authoritative Information"), NOT_ASKED),
        (Answer("204 No Content"), f"answers 204 No Content{NOT_ASKED}"),
        (Answer("205 Reset Content", {"Content-Length": "0"}), NOT_ASKED),
        (replace(whole(CONTENT), status="206 Partial Content"), f"answers 206 Partial Content{NOT_ASKED}"),
        (ranged(CONTENT, SimpleNamespace(range="bytes=0-", start=0, headers={})), f"206 Partial Content{NOT_ASKED}"),
        (replace(whole(CONTENT), status="300 Multiple Choices"), NOT_ASKED),
        (replace(whole(CONTENT), status="302 Found"), f"answers 302 Found{NOT_ASKED}"),
        (Answer("304 Not Modified"), f"answers 304 Not Modified{NOT_ASKED}"),
        (Answer("400 Bad Request", {"Content-Length": "0"}), f"answers 400 Bad Request{CORRECT}"),
        (Answer("401 Unauthorized", {"Content-Length": "0"}), f"answers 401 Unauthorized{BY_HAND}"),
        (Answer("403 Forbidden", {"Content-Length": "0"}), f"answers 403 Forbidden{BY_HAND}"),
        (Answer("404 Not Found", {"Content-Length": "0"}), f"answers 404 Not Found{CORRECT}"),
        (Answer("410 Gone", {"Content-Length": "0"}), f"answers 410 Gone{CORRECT}"),
        (Answer("501 Not Implemented", {"Content-Length": "0"}), f"answers 501 Not Implemented{CORRECT}"),
        (Answer("599 \xff", {"Content-Length": "0"}), f"answers 599{CORRECT}"),
        (Answer("302 Found", {"Location": "ftp://127.0.0.1/a.csv", "Content-Length": "0"}), "for 'ftp://127.0.0.1/a.csv'"),
        (Answer("302 Found", {"Location": "http://[", "Content-Length": "0"}), "cannot be reached"),
        (Answer("302 Found", {"Location": "http://\xff\xfe/", "Content-Length": "0"}), "cannot be reached"),
    ],
)  # fmt: skip
def test_a_status_without_the_file_is_refused_at_once(tmp_path, waits, answer, end):
    with wayward_server(lambda request: answer) as server:
        message = refused(server, tmp_path)
        assert message.startswith(f"{server.url}/a.csv: ")
        assert end in message
        assert len(server.requests) == 1
        assert not waits


def test_a_redirect_in_a_circle(tmp_path, waits):
    with wayward_server(lambda _: Answer("302 Found", {"Location": "/a.csv", "Content-Length": "0"})) as server:
        assert "cannot be reached (Exceeded 30 redirects.)" in refused(server, tmp_path)
        assert not waits


def test_a_redirect_to_the_file(tmp_path):
    moved = Answer("302 Found", {"Location": "/elsewhere", "Content-Length": "0"})
    with wayward_server(lambda request: moved if request.path == "/a.csv" else good(request)) as server:
        assert get(server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({**SIZED, "Content-Type": "text/html; charset=utf-8"}, "the server sends a web page, not a.csv"),
        ({**SIZED, "Content-Type": "Application/XHTML+xml"}, "the server sends a web page, not a.csv"),
        ({**SIZED, "Content-Encoding": "gzip"}, "encoded (Content-Encoding: gzip), which was not asked for"),
        ({**SIZED, "Content-Encoding": "br, gzip"}, "encoded (Content-Encoding: br, gzip)"),
        ({"Transfer-Encoding": "gzip, chunked"}, "encoded (Transfer-Encoding: gzip, chunked)"),
        ({"Content-Length": "abc"}, "says 'Content-Length: abc', which is no size"),
        ({"Content-Length": "-5"}, "says 'Content-Length: -5'"),
        ({"Content-Length": ""}, "says 'Content-Length: '"),
        ({"Content-Length": "5000.0"}, "says 'Content-Length: 5000.0'"),
        ({"Content-Length": "5000, 5000"}, "says 'Content-Length: 5000, 5000'"),
        ({"Content-Length": "\xb2"}, "says 'Content-Length: \xb2'"),
        ({"Content-Length": "9" * 5000}, "says 'Content-Length: 9999"),
        ({}, "does not say how long the file is"),
        ({"Content-Length": "0"}, "sends more than the 0 bytes it says"),
        ({**SIZED, "Content-Range": "bytes 2000-4999/5000"}, "sends a part for the whole file"),
        ({"Content-Length": "4999"}, "sends more than the 4999 bytes it says"),
    ],
)
def test_a_body_that_may_be_something_else_is_refused_at_once(tmp_path, waits, headers, fault):
    with wayward_server(lambda request: Answer("200 OK", headers, CONTENT)) as server:
        message = refused(server, tmp_path, DataError)
        assert fault in message
        assert message.endswith(BY_HAND)
        assert len(server.requests) == 1
        assert not waits
        assert not (tmp_path / "raw/a.csv.part").exists()


def test_more_than_was_said_is_seen_however_late_it_comes(tmp_path):
    answer = Answer("200 OK", {"Content-Length": "20"}, CONTENT[:25], pause=0.01)
    with wayward_server(lambda request: answer) as server:
        assert "sends more than the 20 bytes it says" in refused(server, tmp_path, DataError)


def test_an_empty_file_is_none(tmp_path):
    with wayward_server(lambda request: whole(b"")) as server:
        assert f"the server sends an empty file{BY_HAND}" in refused(server, tmp_path, DataError)
        assert get(server, tmp_path, bytes=0) == b""


def test_the_file_is_asked_for_as_it_is(tmp_path):
    with wayward_server(good) as server:
        get(server, tmp_path)
        assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_file_without_a_length_needs_a_checksum_or_its_size(tmp_path):
    with wayward_server(lambda request: Answer("200 OK", {}, CONTENT)) as server:
        assert get(server, tmp_path / "checksum", md5=MD5) == CONTENT
        assert get(server, tmp_path / "size", bytes=len(CONTENT)) == CONTENT
    with wayward_server(lambda request: Answer("200 OK", {}, CONTENT, drop=4000)) as server:
        message = refused(server, tmp_path / "cut", DataError, md5=MD5)
        assert message.endswith(f"; run the same command to fetch it anew from {server.url}/a.csv")
        assert "the connection broke after 4000 of 5000 bytes" in refused(server, tmp_path / "sized", bytes=5000)


def test_chunks_end_where_they_say(tmp_path, waits):
    headers = {"Transfer-Encoding": "chunked"}
    whole_body = Answer("200 OK", headers, chunked(CONTENT))
    with wayward_server(
        in_turn(replace(whole_body, drop=3000), replace(whole_body, body=b"zz\r\n"), whole_body)
    ) as server:
        assert get(server, tmp_path) == CONTENT
        assert len(waits) == 2
    with wayward_server(lambda request: replace(whole_body, headers={**headers, "Content-Length": "4000"})) as server:
        assert "more than the 4000 bytes" in refused(server, tmp_path / "longer", DataError)


def test_a_server_that_keeps_the_connection_open(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "SILENCE_SECONDS", 0.2)
    with wayward_server(lambda request: replace(whole(CONTENT), open=1.0)) as server:
        assert get(server, tmp_path) == CONTENT
        assert len(server.requests) == 1


def test_a_signed_address_is_shown_nowhere(tmp_path, capsys):
    file, shown = SourceFile("a.csv", "data"), "s3://bucket/a.csv"
    script = in_turn(BUSY, Answer("302 Found", {"Location": "http://127.0.0.1:1/a?key=secret"}))
    with wayward_server(script) as server, pytest.raises(UserError, match=f"^{shown}: cannot be reached") as caught:
        web.download(f"{server.url}/a.csv?key=secret", tmp_path / "a.csv", file, False, shown, "'publish'")
    assert "secret" not in str(caught.value) + capsys.readouterr().err


# -- what may pass -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *(Answer(status, {"Content-Length": "0"}) for status in ("429 x", "500 x", "502 x", "503 x", "504 x")),
        Answer("503 x", {"Content-Type": "text/html", "Content-Length": "9"}, b"<html>..."),
        Answer(silent=True),
        Answer("nonsense"),
        replace(whole(CONTENT), drop=0),
        cut(etag=""),
        cut(etag='W/"weak"'),
        cut(etag="bare"),
        cut(etag='"strong"'),
        Answer("200 OK", {"Content-Length": "5001"}, CONTENT),
    ],
)
def test_faults_that_pass_are_waited_for(tmp_path, waits, fault):
    with wayward_server(in_turn(fault, fault, good)) as server:
        assert get(server, tmp_path) == CONTENT
        assert waits == [0, 2]
        assert len(server.requests) == 3


def test_waits_grow_and_end_with_one_sentence(tmp_path, waits, capsys):
    with wayward_server(lambda request: BUSY) as server:
        message = refused(server, tmp_path)
        assert message.endswith(": the server is busy (503 Service Unavailable); run the same command again later")
        assert waits == [0, 2, 4, 8, 16, 32, 64, 120, 120]
        assert len(server.requests) == 10
    assert "503 Service Unavailable); asking again in 64 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Answer("429 x"), r"is busy \(429 Too Many Requests\); run the same command again later"),
        (Answer("502 x"), r"has a fault \(502 Bad Gateway\); run the same command again later"),
        (Answer(silent=True), "does not answer .*; run the same command again later"),
        (cut(), "broke after 2000 of 5000 bytes; run the same command again, it continues from there"),
    ],
)
def test_a_fault_that_lasts_names_its_mend(tmp_path, fault, message):
    with wayward_server(lambda request: fault) as server, pytest.raises(UserError, match=message):
        get(server, tmp_path)


def test_who_cannot_be_reached_is_asked_a_few_times(tmp_path, waits):
    nobody = SimpleNamespace(url="http://127.0.0.1:1")
    message = refused(nobody, tmp_path)
    assert message == (
        "http://127.0.0.1:1/a.csv: cannot be reached ([Errno 111] Connection refused); check the network and the entry "
        "of 'a.csv' in the sources file, or set 'mirror' to a folder that holds a.csv"
    )
    assert waits == [0, 2, 4]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("86400", 600),
        ("Sun, 01 Jan 2090 00:00:00 GMT", 600),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
        *((nonsense, 0) for nonsense in ("soon", "", "-3", "1e3", "Mon, 99 Foo 99999 99:99:99 GMT", "\xb2")),
        pytest.param("9" * 5000, 0, id="5000 digits"),
    ],
)
def test_retry_after_is_followed_up_to_a_limit(tmp_path, waits, said, seconds):
    busy = Answer("429 x", {"Content-Length": "0", "Retry-After": said})
    with wayward_server(in_turn(busy, good)) as server:
        assert get(server, tmp_path) == CONTENT
        assert waits == [seconds]


def test_each_file_has_patience_of_its_own(tmp_path, waits):
    asked = {}

    def script(request):
        asked[request.path] = asked.get(request.path, 0) + 1
        return good(request) if asked[request.path] > 6 else BUSY

    with wayward_server(script) as server:
        files = [{"name": name, "role": "train", "url": f"{server.url}/{name}"} for name in ("a", "b", "c")]
        fetch(Source.parse("ecg", {"licence": "CC0", "files": files}), tmp_path / "raw", progress=False)
    assert waits == 3 * [0, 2, 4, 8, 16, 32]


def test_a_server_that_gets_on_has_more_patience(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "PATIENCE", urllib3.Retry(total=1, connect=0, other=0))
    content = np.random.default_rng(1).bytes(8 << 20)
    with wayward_server(lambda request: replace(ranged(content, request), drop=3 << 19)) as server:
        assert get(server, tmp_path) == content
        assert len(server.requests) == 6


def test_patience_is_renewed_by_new_bytes_alone(tmp_path, waits):
    content = np.random.default_rng(1).bytes(4 << 20)
    broken = replace(whole(content), drop=3 << 20)  # without a validator each attempt brings the same bytes again
    for script in (in_turn(broken, BUSY), in_turn(broken)):
        waits.clear()
        with wayward_server(script) as server:
            refused(server, tmp_path)
            assert waits == [0, 2, 4, 8, 16, 32, 64, 120, 120]


def test_a_trickle_is_a_broken_connection(tmp_path, monkeypatch, waits):
    monkeypatch.setattr(web, "SLOW_SECONDS", 0.1)
    with wayward_server(lambda request: replace(ranged(CONTENT, request), pause=0.02)) as server:
        message = refused(server, tmp_path)
        assert "bytes came in 0 s, " in message
        assert message.endswith("; run the same command again, it continues from there")
        starts = [request.start for request in server.requests]
        assert len(starts) == 10
        assert starts == sorted(set(starts))
    with wayward_server(lambda request: replace(ranged(CONTENT, request), pause=1e-5)) as server:
        monkeypatch.setattr(web, "SLOWEST", 10)
        assert get(server, tmp_path) == CONTENT


def test_silence_is_a_broken_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "SILENCE_SECONDS", 0.2)
    limits, real = [], web.requests.get

    def ask(url, **given):
        limits.append(given["timeout"])
        return real(url, **given)

    monkeypatch.setattr(web.requests, "get", ask)
    stuck = replace(cut(), open=0.5)
    with wayward_server(in_turn(stuck, good)) as server:
        assert get(server, tmp_path) == CONTENT
        assert [request.range for request in server.requests] == [None, "bytes=2000-"]
    assert limits == [(web.CONNECT_SECONDS, 0.2)] * 2


# -- what is continued -------------------------------------------------------------------------------------------------


def test_the_rest_is_asked_for_by_the_strong_validator(tmp_path):
    with wayward_server(in_turn(cut(), good)) as server:
        assert get(server, tmp_path) == CONTENT
        assert server.requests[1].range == "bytes=2000-"
        assert server.requests[1].headers["If-Range"] == '"one"'


@pytest.mark.parametrize("etag", ["", 'W/"one"', "one", '"o"ne"', '"\xff"'])
def test_without_a_strong_validator_or_a_checksum_it_starts_over(tmp_path, etag):
    first = replace(cut(etag=etag), headers={**cut(etag=etag).headers, "Last-Modified": formatdate(0, usegmt=True)})
    with wayward_server(in_turn(first, lambda request: whole(OTHER))) as server:
        assert get(server, tmp_path) == OTHER
        assert [request.range for request in server.requests] == [None, None]
    with wayward_server(in_turn(first, good)) as server:
        assert get(server, tmp_path / "checked", md5=MD5) == CONTENT
        assert [request.range for request in server.requests] == [None, "bytes=2000-"]


def rest(**changes):
    """The rest from byte 2000 on, with other headers; None takes one away."""
    answer = ranged(CONTENT, SimpleNamespace(range="bytes=2000-", start=2000, headers={}))
    headers = {**answer.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return replace(answer, headers={name: value for name, value in headers.items() if value is not None})


@pytest.mark.parametrize(
    "answer",
    [
        rest(Content_Range=None),
        rest(Content_Range="nonsense"),
        rest(Content_Range="bytes */5000"),
        rest(Content_Range="bytes 2000-4999/*"),
        rest(Content_Range="bytes 1999-4999/5000"),
        rest(Content_Range="bytes 2000-4998/5000"),
        rest(Content_Range="bytes 2000-5000/5001"),
        rest(Content_Range="items 2000-4999/5000"),
        rest(Content_Length="2999"),
        rest(ETag='"two"'),
        rest(ETag='W/"one"'),
        rest(ETag=None),
        replace(rest(Content_Range="bytes 0-4999/5000", Content_Length="5000"), body=CONTENT),
        Answer("416 Range Not Satisfiable", {"Content-Length": "0"}),
        Answer("416 Range Not Satisfiable", {"Content-Type": "text/html", "Content-Length": "1"}, b"<"),
        Answer("206 Partial Content", {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x\r\n"),
    ],
)
def test_a_rest_that_does_not_fit_is_thrown_away_and_all_fetched(tmp_path, answer):
    with wayward_server(in_turn(cut(), answer, lambda request: ranged(OTHER, request, '"two"'))) as server:
        assert get(server, tmp_path) == OTHER
        assert [request.range for request in server.requests] == [None, "bytes=2000-", None]


@pytest.mark.parametrize("second", [whole(OTHER), whole(OTHER, ETag='"two"'), whole(CONTENT, ETag='"one"')])
def test_a_whole_file_in_place_of_the_rest_is_taken_whole(tmp_path, second):
    with wayward_server(in_turn(cut(), second)) as server:
        assert get(server, tmp_path) == second.body


def test_a_rest_that_breaks_off_is_continued(tmp_path):
    script = in_turn(*(lambda request: replace(ranged(CONTENT, request), drop=1100) for _ in range(4)), good)
    with wayward_server(script) as server:
        assert get(server, tmp_path) == CONTENT
        assert [request.start for request in server.requests] == [0, 1100, 2200, 3300, 4400]


def test_a_rest_in_chunks_or_without_a_length(tmp_path):
    in_chunks = replace(rest(Content_Length=None, Transfer_Encoding="chunked"), body=chunked(CONTENT[2000:]))
    for number, answer in enumerate((in_chunks, rest(Content_Length=None))):
        with wayward_server(in_turn(cut(), answer)) as server:
            assert get(server, tmp_path / str(number)) == CONTENT


def test_a_checksum_tells_when_the_server_mixes_versions(tmp_path):
    """Without a validator only the checksum knows; what does not fit is thrown away."""
    with wayward_server(in_turn(cut(etag=""), lambda request: replace(rest(ETag=None), body=OTHER[2000:]))) as server:
        assert "wrong checksum" in refused(server, tmp_path, DataError, md5=MD5)
        assert not (tmp_path / "raw/a.csv.part").exists()


def stopped(*arguments):
    raise KeyboardInterrupt


def test_what_came_is_kept_when_the_file_is_not_there_for_a_while(tmp_path):
    with wayward_server(in_turn(cut(), Answer("404 x", {"Content-Length": "0"}), good)) as server:
        assert "404 Not Found" in refused(server, tmp_path)
        assert (tmp_path / "raw/a.csv.part").stat().st_size == 2000
        assert get(server, tmp_path) == CONTENT
        assert server.requests[-1].range == "bytes=2000-"


def test_a_kill_while_the_file_is_verified_costs_no_second_download(tmp_path, monkeypatch):
    with wayward_server(lambda request: whole(CONTENT)) as server:
        with monkeypatch.context() as patch:
            patch.setattr(web, "verify", stopped)
            with pytest.raises(KeyboardInterrupt):
                get(server, tmp_path)
        assert get(server, tmp_path) == CONTENT
        assert len(server.requests) == 1
        assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [".fetched", "a.csv", "files.json"]


def test_a_kill_before_the_end_of_the_answer_does_not_make_it_whole(tmp_path):
    """All bytes that were said are here, but nobody saw whether more would have come."""
    (tmp_path / "raw").mkdir()
    with wayward_server(good) as server:
        identity = {"address": f"{server.url}/a.csv", "checksum": "", "validator": '"one"', "total": 4000}
        (tmp_path / "raw/.a.csv.part.json").write_text(json.dumps(identity))
        (tmp_path / "raw/a.csv.part").write_bytes(CONTENT[:4000])
        assert get(server, tmp_path) == CONTENT


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"address": 1}', "damaged"])
def test_bytes_without_a_sound_note_are_not_continued(tmp_path, note):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.csv.part").write_bytes(OTHER[:100])
    (tmp_path / "raw/.a.csv.part.json").write_text(note)
    with wayward_server(good) as server:
        assert get(server, tmp_path) == CONTENT
        assert server.requests[0].range is None


def test_bytes_from_another_address_are_not_continued(tmp_path):
    missing = Answer("404 x", {"Content-Length": "0"})
    with wayward_server(in_turn(cut(), missing, lambda request: ranged(OTHER, request))) as server:
        refused(server, tmp_path)
        assert get(server, tmp_path, url=f"{server.url}/b.csv") == OTHER
        assert server.requests[-1].range is None


def test_bytes_of_another_expected_file_are_not_continued(tmp_path):
    with wayward_server(in_turn(cut(), Answer("404 x", {"Content-Length": "0"}), good)) as server:
        refused(server, tmp_path, md5="0" * 32)
        assert json.loads((tmp_path / "raw/.a.csv.part.json").read_text())["checksum"] == "0" * 32
        assert get(server, tmp_path, md5=MD5) == CONTENT
        assert server.requests[-1].range is None


# -- whatever a server does --------------------------------------------------------------------------------------------

HEADERS = {
    "Content-Length": ("0", "1", "4999", "5001", "abc", "-1", "5000, 5000"),
    "Content-Range": ("bytes 0-4999/5000", "bytes 7-4999/5000", "bytes 7-9/10", "bytes */5000", "x"),
    "Content-Type": ("text/html", "application/json"),
    "Content-Encoding": ("gzip", "identity"),
    "Transfer-Encoding": ("chunked", "gzip", "identity"),
    "ETag": ('W/"one"', "one", ""),
    "Retry-After": ("1", "soon", "99999999"),
    "Location": ("/b.csv", "ftp://x", "http://[", ""),
}
STATUSES = (
    *("200 OK", "206 x", "200 OK", "206 x", "201 x", "202 x", "204 x", "301 x", "302 x", "304 x", "307 x"),
    *("400 x", "401 x", "404 x", "408 x", "416 x", "429 x", "500 x", "502 x", "503 x", "504 x", "999 x", "x"),
)


def spoilt(answer, rng):
    """An answer with up to three things wrong, none of them beyond what a client can see."""
    for kind in rng.choice(["status", "header", "gone", "drop", "silent", "none"], rng.integers(0, 4)):
        if kind == "status":
            answer = replace(answer, status=str(rng.choice(STATUSES)))
        elif kind == "header":
            name = str(rng.choice(list(HEADERS)))
            answer = replace(answer, headers={**answer.headers, name: str(rng.choice(HEADERS[name]))})
        elif kind == "gone" and (names := sorted(answer.headers.keys() - {"Transfer-Encoding"})):
            lost = str(rng.choice(names))
            answer = replace(answer, headers={name: answer.headers[name] for name in answer.headers if name != lost})
        elif kind == "drop":
            answer = replace(answer, drop=int(rng.integers(0, len(answer.body) + 1)))
        elif kind == "silent":
            answer = replace(answer, silent=True)
    return answer


@pytest.mark.parametrize("seed", [*range(60), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(60, 200))])
def test_the_right_bytes_or_a_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    versions = [(CONTENT, '"one"'), (OTHER, '"two"')]
    patience, ranges = rng.integers(1, 8), rng.random() < 0.8

    def script(request):
        content, etag = versions[int(rng.random() < 0.2)]
        answer = ranged(content, request, etag) if ranges else whole(content, ETag=etag)
        if rng.random() < 0.15 and answer.status == "200 OK":
            headers = {"Transfer-Encoding": "chunked", "ETag": etag}
            answer = replace(answer, headers=headers, body=chunked(content, int(rng.integers(1, 6000))))
        return spoilt(answer, rng) if len(server.requests) < patience * 3 else answer

    known = [{}, {}, {"md5": MD5}, {"bytes": len(CONTENT)}, {"sha256": hashlib.sha256(CONTENT).hexdigest()}]
    changes = known[rng.integers(len(known))]
    right = [CONTENT] if {"md5", "sha256"} & changes.keys() else [CONTENT, OTHER]
    with wayward_server(script) as server:
        for _ in range(3):
            got = outcome(server, tmp_path, changes)
            assert got in right if isinstance(got, bytes) else "; " in got and "\n" not in got


def outcome(server, folder, changes):
    """The file, or the sentence in its place; then nothing stands as fetched."""
    try:
        return get(server, folder, **changes)
    except UserError as error:
        assert not [name for name in FETCHED if (folder / "raw" / name).exists()]
        return str(error)
