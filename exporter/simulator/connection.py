"""A client's connection: HTTP/1.1 with h11 over an asyncio stream, with access to the raw bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11

from exporter.simulator.handler import Headers, Request, Response

MAX_BODY_BYTES = 4 << 20
_READ_BYTES = 1 << 16


async def open_connection(
    sock: socket.socket, number: int, ssl_context: ssl.SSLContext | None
) -> Connection:
    """Take over an accepted socket, with a TLS handshake if there is a context.

    :raises OSError: the client has disconnected, or its handshake failed.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=ssl_context)
    return Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop), number)


class Connection:
    """Reads requests, and writes exactly the given bytes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self.number = number
        self.requests = 0
        self.keep_alive = True
        """Whether responses leave the connection open. Can change before each response."""

    async def next_request(self) -> Request | None:
        """Return the next request, or ``None`` if there are no more.

        :raises h11.RemoteProtocolError: the client doesn't speak HTTP.
        """
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self.requests += 1
        return _request(head, await self._body())

    async def _body(self) -> bytes:
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise h11.RemoteProtocolError(
                    "the body is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                )
        if not isinstance(event, h11.EndOfMessage):
            raise h11.RemoteProtocolError("the body is not whole")
        return bytes(body)

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if not isinstance(event, type) or event is h11.PAUSED:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self.write(self._frame(go_on))
            self._http.receive_data(await self._reader.read(_READ_BYTES))

    def head(self, status: int, headers: Headers) -> bytes:
        """Return the bytes of a status line and headers."""
        close: Headers = () if self.keep_alive else (("connection", "close"),)
        return self._frame(h11.Response(status_code=status, headers=[*headers, *close]))

    def data(self, data: bytes) -> bytes:
        """Return the bytes of one chunk of a body."""
        return self._frame(h11.Data(data=data))

    def end(self) -> bytes:
        """Return the bytes that end a body."""
        return self._frame(h11.EndOfMessage())

    def whole(self, response: Response) -> bytes:
        """Return the bytes of a complete response with a length."""
        length = ("content-length", str(len(response.body)))
        head = self.head(response.status, (*response.headers, length))
        return head + self.data(response.body) + self.end()

    def _frame(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    async def write(self, data: bytes) -> None:
        """Hand bytes to the kernel, in one write if possible."""
        self._writer.write(data)
        await self._writer.drain()

    async def while_client_stays(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, but cancel it as soon as the client disconnects."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._client_leaves())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished = working.done()
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)
        if finished:
            working.result()

    async def _client_leaves(self) -> None:
        with suppress(OSError):
            if data := await self._reader.read(_READ_BYTES):  # the next request, sent early
                self._http.receive_data(data)
                await asyncio.Event().wait()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def abort(self) -> None:
        """End the connection without sending pending data."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the connection after sending pending data."""
        self._writer.close()
        try:
            with suppress(OSError):
                await self._writer.wait_closed()
        except asyncio.CancelledError:
            self.abort()
            raise


def _request(head: h11.Request, body: bytes) -> Request:
    path, _, query = head.target.decode("ascii", errors="replace").partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), path, query, headers, body)
