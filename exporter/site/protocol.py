"""HTTP/1.1: uvicorn's protocol, which also reports what each connection does to its listener."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.site.listener import REQUEST_SECONDS, Connection, Listener

MAX_HEAD_BYTES = 16 << 10
"""The limit for the request line and the headers together."""


class HttpProtocol(H11Protocol):
    """One connection."""

    _connection: Connection

    def __init__(self, listener: Listener, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._listener = listener

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        descriptor = transport.get_extra_info("socket").fileno()
        self._connection = self._listener.connection(descriptor)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._connection.busy:
            # The time for a request runs from its first byte. Further bytes don't extend it.
            self._connection.expires_at = min(self._connection.expires_at, self._request_deadline)
        # h11 checks the length of a head only if the head arrives in several pieces.
        for at in range(0, len(data), MAX_HEAD_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[at : at + MAX_HEAD_BYTES])

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._connection.request_received()

    def on_response_complete(self) -> None:
        self._connection.response_sent()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()  # no handler reads the rest of the request's body
            return
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._connection.writing_paused()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._connection.writing_resumed()
        super().resume_writing()

    @property
    def _request_deadline(self) -> float:
        return self.loop.time() + REQUEST_SECONDS
