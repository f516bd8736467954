"""The response in HTTP/1.1, without a socket.

h11 reads the head of the response if that isn't plain. The chunks of the body, which arrive with
every token, are parsed by llhttp, which is written in C.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

import h11
import httptools
import httpx

from exporter.net.head import MAX_BYTES, MAX_HEADERS, Head, HeadGuard, TooManyHeaders, plain_head
from exporter.net.request import Request

_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
"""llhttp begins with a head; the real one has been read already."""
_PLAIN_METHODS = ("GET", "POST")
"""The response to another method may have no body, whatever its head says."""
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Answer:
    """The response to one request. Its bytes may be split anywhere."""

    __slots__ = (
        "_body",
        "_guard",
        "_http",
        "_keeps_connection",
        "_may_be_plain",
        "_request",
        "came",
        "head",
    )

    def __init__(self, request: Request) -> None:
        self._request = request
        self._http: h11.Connection | None = None
        """Reads the head, once it turns out not to be plain."""
        self._guard = HeadGuard()
        self._may_be_plain = request.method in _PLAIN_METHODS
        """Whether nothing has arrived of a head that can be plain."""
        self._body: _Body | None = None
        self.came = Came()
        """What arrived of the body."""
        self._keeps_connection = False
        self.head: Head | None = None

    @property
    def is_over(self) -> bool:
        """Whether the whole response has arrived."""
        return self.came.is_over

    @property
    def leaves_connection(self) -> bool:
        """Whether it is over, and the connection can serve another request.

        It can't if more than the response arrived, because such bytes don't belong to any request.
        RFC 9112 section 6.3 has a client close such a connection.
        """
        return self.is_over and self._keeps_connection and not self.has_surplus

    @property
    def has_surplus(self) -> bool:
        """Whether more arrived than belongs to it."""
        return self.came.has_surplus

    def feed(self, data: bytes) -> None:
        """Take the next bytes, or none once the peer has closed the connection.

        :raises httpx.RemoteProtocolError: this is no HTTP response, or it is incomplete.
        """
        if self._body is None:
            self._feed_head(data)
        elif data:
            self._body.feed(data)
        else:
            self._body.ended()

    def _feed_head(self, data: bytes) -> None:
        if not data:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        if self._may_be_plain and (plain := plain_head(data)):
            self._begin_body(*plain, keeps_connection=True)
            return
        self._may_be_plain = False
        self._guard.check(data)
        if self._http is None:
            self._http, _ = self._request.sent()
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._begin_body_of(event, self._http.trailing_data[0])
                    return
        except h11.RemoteProtocolError as error:
            error.__traceback__ = None  # a frame of h11 refers to the error: a cycle
            raise httpx.RemoteProtocolError(str(error)) from error

    def _begin_body_of(self, response: h11.Response, came: bytes) -> None:
        reason = response.reason.decode("ascii", "replace")
        head = Head(response.status_code, reason, list(response.headers.raw_items()))
        self._begin_body(head, came, keeps_connection=response.http_version >= b"1.1")

    def _begin_body(self, head: Head, came: bytes, *, keeps_connection: bool) -> None:
        self.head = head
        lowered = [(name.lower(), value) for name, value in head.headers]
        headers = dict(lowered)
        said = b",".join([value for name, value in lowered if name == b"connection"])
        options = [option.strip() for option in said.lower().split(b",")]
        self._keeps_connection = keeps_connection and b"close" not in options
        if head.status in _WITHOUT_BODY:
            self._body = _Sized(0)
        elif b"transfer-encoding" in headers:  # none passes but "chunked"
            self._body = _Chunks()
        elif b"content-length" in headers:
            self._body = _Sized(int(headers[b"content-length"]))
        else:
            self._body, self._keeps_connection = _UntilClosed(), False
        self.came = self._body.came
        if came:
            self._body.feed(came)


class Came:
    """What arrived of a body and isn't taken yet."""

    __slots__ = ("failure", "has_surplus", "is_over", "pieces")

    def __init__(self) -> None:
        self.is_over = self.has_surplus = False
        self.pieces: list[bytes] = []
        self.failure: Exception | None = None
        """The mistake in what follows these pieces."""

    def take(self) -> list[bytes]:
        """Return what arrived since the last call.

        :raises httpx.RemoteProtocolError: nothing did, because the body is broken.
        """
        pieces = self.pieces
        if pieces:
            self.pieces = []
        elif self.failure:
            try:
                raise self.failure
            finally:
                self.failure = None  # its traceback refers to this body: a cycle
        return pieces


class _Body(Protocol):
    @property
    def came(self) -> Came: ...

    def feed(self, data: bytes) -> None: ...

    def ended(self) -> None: ...


class _UntilClosed:
    def __init__(self) -> None:
        self.came = Came()

    def feed(self, data: bytes) -> None:
        self.came.pieces.append(data)

    def ended(self) -> None:
        self.came.is_over = True


class _Sized:
    def __init__(self, size: int) -> None:
        self.came = Came()
        self.came.is_over = not size
        self._missing = size

    def feed(self, data: bytes) -> None:
        came, piece = self.came, data[: self._missing]
        came.has_surplus |= len(piece) < len(data)
        self._missing -= len(piece)
        came.is_over = not self._missing
        if piece:
            came.pieces.append(piece)

    def ended(self) -> None:
        raise httpx.RemoteProtocolError(f"{self._missing} bytes of the response are missing")


class _CameInChunks(Came):
    """What llhttp reports of a body in chunks.

    It doesn't refer to the parser, which refers to it: such a cycle for each probe would keep the
    garbage collector busy, which delays the streams.
    """

    __slots__ = ("trailers",)

    def __init__(self) -> None:
        super().__init__()
        self.trailers = 0

    def on_message_begin(self) -> None:
        self.has_surplus |= self.is_over

    def on_body(self, piece: bytes) -> None:
        if not self.is_over:
            self.pieces.append(piece)

    def on_header(self, _name: bytes, _value: bytes) -> None:
        self.trailers += not self.is_over

    def on_message_complete(self) -> None:
        self.is_over = True


class _Chunks:
    """A body in chunks."""

    __slots__ = ("_between", "_parser", "came")

    def __init__(self) -> None:
        self.came = _CameInChunks()
        self._between = 0
        self._parser = httptools.HttpResponseParser(self.came)
        # Some servers pad the length of a chunk with spaces, and all clients accept that.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self._parser.feed_data(_CHUNKED_HEAD)
        self.came.trailers = 0  # so far, it counted the header of that head

    def feed(self, data: bytes) -> None:
        came = self.came
        before = len(came.pieces)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if came.is_over:
                came.has_surplus = True
            else:
                said = f"the chunks of the response are broken: {error}"
                came.failure = httpx.RemoteProtocolError(said)
        self._between = 0 if len(came.pieces) > before else self._between + len(data)
        if self._between or came.trailers:
            self._check()

    def _check(self) -> None:
        """llhttp limits neither the number of trailers nor what stands between two chunks."""
        came = self.came
        if came.trailers > MAX_HEADERS:
            came.failure = TooManyHeaders(f"the response has more than {MAX_HEADERS} trailers")
        elif self._between > MAX_BYTES:
            said = f"more than {MAX_BYTES} bytes stand between two chunks of the response"
            came.failure = came.failure or httpx.RemoteProtocolError(said)

    def ended(self) -> None:
        raise httpx.RemoteProtocolError("the last chunk of the response is missing")
