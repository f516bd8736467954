"""A connection that speaks HTTP/1.1, one request at a time."""

from __future__ import annotations

import time
from contextlib import suppress

import httpx

from exporter.net.exchange import Exchange
from exporter.net.http1 import Answer, Head, RawHeaders
from exporter.net.stream import Stream

_IDLE_SECONDS = 120.0
"""Idle connections are given up before the usual NAT gateways and load balancers forget them
(4 minutes on Azure, 350 s on AWS): a silently dead connection would look like a dead provider."""


class Connection:
    """An open connection. Whoever sends a request reads its answer to the end, or closes it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._answer = Answer()
        self._idle_since = time.monotonic()
        self.is_closed = False

    @property
    def is_alive(self) -> bool:
        """Whether it may serve a request, as far as this side knows; of an idle one."""
        old = time.monotonic() - self._idle_since > _IDLE_SECONDS
        return not self.is_closed and not old and not self._stream.is_readable

    async def ask(
        self, method: str, target: bytes, headers: RawHeaders, content: bytes, exchange: Exchange
    ) -> Head:
        """Send a request; the head of its answer.

        :raises httpx.TransportError: the connection broke, or what came is no answer.
        """
        self._answer = answer = Answer()
        request = answer.asked(method, target, headers, content)
        # A server may answer before it was told everything, and close the connection.
        with suppress(httpx.WriteError):
            # The body goes out by itself: to hand over bytes that wake the peer takes longer, and
            # the clock starts when the last ones are handed over.
            for part in request:
                await self._stream.write(part, exchange)
        while answer.head is None:
            answer.feed(await self._read(exchange))
        return answer.head

    async def more(self, exchange: Exchange) -> list[bytes] | None:
        """What comes next of the body, in the pieces that one read brought; ``None`` at its end.

        :raises httpx.TransportError: it ends too early, or is broken.
        """
        answer = self._answer
        while not (pieces := answer.take()):
            if answer.is_over:
                return None
            answer.feed(await self._read(exchange))
        return pieces

    async def _read(self, exchange: Exchange) -> bytes:
        data = await self._stream.read(exchange)
        exchange.heard |= bool(data)
        return data

    def done(self) -> None:
        """Nobody reads the answer any more: it is kept if the answer is over, else closed."""
        self._idle_since = time.monotonic()
        if not self._answer.leaves_connection:
            self.close()

    def close(self) -> None:
        """Close it at once."""
        self.is_closed = True
        self._stream.close()
