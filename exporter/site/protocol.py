"""HTTP/1.1: uvicorn's protocol, which also reports to ``door`` what each connection does."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.site.door import REQUEST_SECONDS, Door, Guest

MAX_HEAD_BYTES = 16 << 10
"""Of a request: its first line and its headers."""


class GuestProtocol(H11Protocol):
    """One connection."""

    _guest: Guest

    def __init__(self, door: Door, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._door = door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._guest = self._door.guest(transport.get_extra_info("socket").fileno())
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._guest.busy:
            # A request has begun. More of it gives no more time.
            self._guest.leaves_at = min(self._guest.leaves_at, self._soon)
        # h11 minds how long a head is only where it comes in pieces.
        for at in range(0, len(data), MAX_HEAD_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[at : at + MAX_HEAD_BYTES])

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._guest.asks()

    def on_response_complete(self) -> None:
        self._guest.is_answered()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()  # nobody reads the rest of that request
            return
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._guest.reads_slowly()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._guest.has_read()
        super().resume_writing()

    @property
    def _soon(self) -> float:
        return self.loop.time() + REQUEST_SECONDS
