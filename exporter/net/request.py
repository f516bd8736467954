"""The request in HTTP/1.1, without a socket. h11 checks it and writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import h11
import httpx

from exporter.net.head import MAX_BYTES

_FRAMING = {b"content-length", b"transfer-encoding"}
RawHeaders = Sequence[tuple[bytes, bytes]]


class Request(NamedTuple):
    """What is asked for."""

    method: str
    target: bytes
    headers: RawHeaders
    content: bytes = b""

    def __repr__(self) -> str:
        """Leave out the headers, which can hold secrets."""
        return f"Request({self.method!r})"

    def sent(self) -> tuple[h11.Connection, bytes]:
        """A connection that awaits the response, and the request on the wire.

        :raises httpx.LocalProtocolError: it can't be sent.
        """
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_BYTES)
        try:
            events: list[h11.Event] = [
                h11.Request(method=self.method, target=self.target, headers=list(self.headers))
            ]
            if self.content:
                events.append(h11.Data(data=self.content))
            written = map(http.send, (*events, h11.EndOfMessage()))
            return http, b"".join(data for data in written if data)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error


class Written:
    """The requests of one connection on the wire. Nearly all have the same head, which h11 takes
    long to check and to write."""

    __slots__ = ("_alike", "_head")

    def __init__(self) -> None:
        self._alike: tuple[Request, int] | None = None
        """The latest request without its content, and the size of that."""
        self._head = b""

    def bytes_of(self, request: Request) -> bytes:
        """The request on the wire.

        :raises httpx.LocalProtocolError: it can't be sent.
        """
        content = request.content
        alike = request._replace(content=b""), len(content)
        if alike == self._alike:
            return self._head + content
        _, data = request.sent()
        self._alike = None
        framing = {name.lower() for name, _ in request.headers} & _FRAMING
        if framing == {b"content-length"}:  # so the content stands as it is, at the end
            self._alike, self._head = alike, data[: len(data) - len(content)]
        return data
