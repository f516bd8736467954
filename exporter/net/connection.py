"""A connection that speaks HTTP/1.1, one request at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import httpx

from exporter.net.exchange import Exchange
from exporter.net.head import Head
from exporter.net.http1 import Answer
from exporter.net.request import Request, Written
from exporter.net.stream import Stream

_IDLE_SECONDS = 120.0
"""Idle connections are closed before common NAT gateways and load balancers drop them (after 4
minutes on Azure, 350 s on AWS). A silently dropped connection would look like a dead provider."""


class Connection:
    """An open connection. After a request, the caller reads the whole response or closes the
    connection."""

    __slots__ = ("_idle_since", "_stream", "_written", "answer", "is_closed")

    answer: Answer
    """The response to the latest request."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._written = Written()
        self._idle_since = time.monotonic()
        self.is_closed = False

    @property
    def is_alive(self) -> bool:
        """Whether an idle connection can serve a request, as far as this side knows."""
        old = time.monotonic() - self._idle_since > _IDLE_SECONDS
        return not self.is_closed and not old and not self._stream.is_readable

    async def ask(self, request: Request, exchange: Exchange) -> Head:
        """Send a request, and return the head of the response.

        :raises httpx.TransportError: the request can't be sent, the connection broke, or the peer
            sent no HTTP response.
        """
        self.answer = answer = Answer(request)
        data = self._written.bytes_of(request)
        # A server may respond before it has the whole request, and close the connection.
        with suppress(httpx.WriteError):
            await self._stream.write(data, exchange)
        while answer.head is None:
            await self.receive(exchange, lambda: answer.head is None)
        return answer.head

    async def receive(self, exchange: Exchange, came: Callable[[], bool]) -> None:
        """Feed the answer with what arrives. After each read, call ``came``, until it returns
        ``False``. As with ``Stream.receive``, this may return early.

        :raises httpx.TransportError: the response ends too early, or is broken.
        """
        answer = self.answer

        def take(data: bytes) -> bool:
            exchange.heard |= bool(data)
            answer.feed(data)
            return came()

        await self._stream.receive(exchange, take)

    def done(self) -> None:
        """The response isn't needed any more. Keep the connection if all of it was read; close it
        otherwise."""
        self._idle_since = time.monotonic()
        if not self.answer.leaves_connection:
            self.close()

    def close(self) -> None:
        """Close it at once."""
        self.is_closed = True
        self._stream.close()
