"""HTTP/1.1 as bytes in, pieces out: valid responses, broken ones, and where they end."""

from __future__ import annotations

import itertools

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.net.head import MAX_BYTES, MAX_HEADERS, Head, TooManyHeaders, plain_head
from exporter.net.http1 import Answer
from exporter.net.request import Request, Written
from tests.wire import LAST_CHUNK, chunk

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def asked() -> Answer:
    return Answer(Request("GET", b"/", [(b"Host", b"x")]))


def fed(*reads: bytes) -> Answer:
    answer = asked()
    for read in reads:
        answer.feed(read)
    return answer


def body(answer: Answer) -> bytes:
    return b"".join(answer.came.take())


@given(
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=8),
    framing=st.sampled_from(["chunks", "a length", "the end"]),
)
def test_a_body_is_the_same_however_it_is_cut(
    parts: list[bytes], cuts: list[int], framing: str
) -> None:
    whole = b"".join(parts)
    wire = {
        "chunks": CHUNKED + b"".join(map(chunk, parts)) + LAST_CHUNK,
        "a length": OK + b"content-length: %d\r\n\r\n" % len(whole) + whole,
        "the end": OK + b"\r\n" + whole,
    }[framing]
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    answer, came = asked(), b""
    for start, end in itertools.pairwise(edges):
        answer.feed(wire[start:end])
        came += body(answer)
    if framing == "the end":
        assert not answer.is_over
        answer.feed(b"")
    assert came == whole
    assert answer.is_over
    assert answer.leaves_connection is (framing != "the end")
    assert not answer.has_surplus


@pytest.mark.parametrize(
    ("more", "keeps"),
    [
        (b"", True),
        (b"connection: close\r\n", False),
        (b"connection: x, Close\r\n", False),
        (b"connection: keep-alive\r\n", True),
    ],
)
def test_a_server_says_whether_it_keeps_the_connection(more: bytes, keeps: bool) -> None:
    assert fed(OK + more + b"content-length: 0\r\n\r\n").leaves_connection is keeps
    assert (
        fed(OK + more + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n").leaves_connection is keeps
    )
    assert not fed(b"HTTP/1.0 200 OK\r\n" + more + b"content-length: 0\r\n\r\n").leaves_connection


def told(*reads: bytes) -> object:
    """Return what an answer says, or what is wrong with it."""
    try:
        it = fed(*reads)
        return it.head, it.is_over, it.has_surplus, it.leaves_connection, body(it)
    except httpx.RemoteProtocolError as error:
        return str(error)


names = st.sampled_from(
    ["x", "X-Request-ID", "Content-Length", "transfer-encoding", "Connection", "a b", "", "é", "x:"]
)
values = st.sampled_from(
    ["", "chunked", "Chunked", "gzip", "0", "5", "05", "5, 5", "+5", "close", "keep-alive", "a  b"]
)
separators = st.sampled_from([": ", ":", ":  ", " : ", ":\t"])
line_ends = st.sampled_from(["\r\n"] * 9 + [" \r\n", "\n", "\r\n ", "\r", "\0\r\n"])
other_lines = st.tuples(names, separators, values, line_ends).map("".join)
plain_lines = st.sampled_from(
    [
        "x: a b\r\n",
        "Content-Length: 5\r\n",
        "content-length: 05\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: Chunked\r\n",
        "Connection: x, Close\r\n",
    ]
)
status_lines = st.just("HTTP/1.1 200 OK\r\n") | st.sampled_from(
    [
        f"HTTP/1.1 {said}\r\n"
        for said in ("200 OK", "204 No Content", "304 ", "404", "099 x", "600 x")
    ]
    + [
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    ]
)


@given(
    status_lines,
    st.lists(st.one_of(plain_lines, plain_lines, other_lines), max_size=4).map("".join),
    st.sampled_from([b"", b"hello", b"hello!", chunk(b"hello") + LAST_CHUNK, b"HTTP/1.1 200 OK"]),
)
def test_a_plain_head_means_what_h11_reads_in_it(status: str, lines: str, more: bytes) -> None:
    wire = f"{status}{lines}\r\n".encode() + more
    if plain_head(wire):
        assert told(wire) == told(wire[:9], wire[9:])  # h11 reads a head that comes in two reads


def test_most_heads_are_plain() -> None:
    wire = OK + b"Date: Thu, 26 Nov 2026 12:00:00 GMT\r\nX-Request-ID: a1\r\n\r\nhello"
    headers = [(b"Date", b"Thu, 26 Nov 2026 12:00:00 GMT"), (b"X-Request-ID", b"a1")]
    assert plain_head(wire) == (Head(200, "OK", headers), b"hello")
    assert plain_head(wire[:-7]) is None


@pytest.mark.parametrize("end", [b"\r\nHTTP/1.1 200 OK\r\n", b"xyz", CHUNKED + LAST_CHUNK])
def test_more_than_an_answer_is_noted_and_is_no_part_of_it(end: bytes) -> None:
    for answer in (
        fed(CHUNKED + chunk(b"hello") + LAST_CHUNK + end),
        fed(CHUNKED + chunk(b"hello") + LAST_CHUNK, end),
        fed(OK + b"content-length: 5\r\n\r\nhello" + end),
        fed(OK + b"content-length: 5\r\n\r\nhello", end),
    ):
        assert body(answer) == b"hello"
        assert answer.is_over
        assert answer.has_surplus
    assert fed(b"HTTP/1.1 204 No Content\r\n\r\n" + end).has_surplus


@pytest.mark.parametrize(
    "broken",
    [
        b"zz\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"f" * 21 + b"\r\n",
        b"1\r\nhello\r\n",
        b"5\nhello\n",
        b"\r\n",
        b"5;" + b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_came_before_a_broken_chunk_comes_before_the_complaint(broken: bytes) -> None:
    answer = fed(CHUNKED + chunk(b"first"), broken)
    assert body(answer).startswith(b"first")
    with pytest.raises(httpx.RemoteProtocolError):
        answer.came.take()
    assert not answer.is_over
    assert not answer.leaves_connection


def test_real_servers_may_be_odd() -> None:
    """Each of these is accepted by h11 but not by llhttp, or the other way around."""
    for head in (
        b"x: y\r\n z\r\n",  # a folded header
        b"content-length: 5\r\n",  # the chunks take precedence
        b"x: \xe9\r\n",
    ):
        answer = fed(
            OK + head + b"transfer-encoding: chunked\r\n\r\n" + chunk(b"hello") + LAST_CHUNK
        )
        assert body(answer) == b"hello"
    assert body(fed(b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello")) == b"hello"
    assert body(fed(OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello")) == b"hello"
    assert body(fed(CHUNKED + b"5  \r\nhello\r\n" + LAST_CHUNK)) == b"hello"
    assert fed(CHUNKED + LAST_CHUNK + b"\r\n").has_surplus is False


@pytest.mark.parametrize(
    "start", [b"", OK, CHUNKED + b"5\r\nhel", CHUNKED, OK + b"content-length: 5\r\n\r\nhel"]
)
def test_an_end_in_the_middle_is_none(start: bytes) -> None:
    answer = fed(start) if start else asked()
    with pytest.raises(httpx.RemoteProtocolError):
        answer.feed(b"")


def test_a_body_may_have_any_number_of_lines_and_trailers_may_not() -> None:
    answer = fed(CHUNKED)
    for _ in range(100):
        answer.feed(chunk(b":\n" * 1000 + b"0\r\n"))
    answer.came.take()
    answer.feed(b"0\r\n")
    answer.feed(b"a:b\r\n" * MAX_HEADERS)
    assert answer.came.take() == []
    answer.feed(b"a:b\r\n" * MAX_HEADERS)
    with pytest.raises(TooManyHeaders):
        answer.came.take()


def test_trailers_are_no_part_of_the_body() -> None:
    answer = fed(CHUNKED + chunk(b"hello") + b"0\r\nx: y\r\n\r\n")
    assert body(answer) == b"hello"
    assert answer.leaves_connection


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", b"/a b", [(b"Host", b"x")]),
        ("GET", b"/\r\nx: y", [(b"Host", b"x")]),
        ("GET", b"/", [(b"Host", b"x"), (b"a", b"b\r\nc: d")]),
        ("GET", b"/", [(b"Host", b"x"), (b"a b", b"c")]),
        ("GET", b"/", []),
    ],
)
def test_what_would_be_another_request_is_not_sent(
    method: str, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        Request(method, target, headers).sent()


CONTENTS = st.sampled_from([b"", b"a", b"bc", b"0\r\n\r\n"])
CHUNKS, ONE_BYTE = (b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1")
FRAMINGS = st.sampled_from([[], [CHUNKS], [ONE_BYTE], [CHUNKS, ONE_BYTE]])


@example([(b"a", [ONE_BYTE], b"/a"), (b"bc", [ONE_BYTE], b"/a")])
@example([(b"a", [CHUNKS, ONE_BYTE], b"/a")] * 2)
@given(st.lists(st.tuples(CONTENTS, FRAMINGS, st.sampled_from([b"/a", b"/b"])), max_size=6))
def test_a_head_that_is_not_written_again_is_the_same(
    asked: list[tuple[bytes, list[tuple[bytes, bytes]], bytes]],
) -> None:
    written = Written()
    for content, framing, target in asked:
        own = framing or [(b"Content-Length", b"%d" % len(content))]
        request = Request("POST", target, [(b"Host", b"x"), *own], content)
        try:
            _, data = request.sent()
        except httpx.LocalProtocolError:
            with pytest.raises(httpx.LocalProtocolError):
                written.bytes_of(request)
        else:
            assert written.bytes_of(request) == data
