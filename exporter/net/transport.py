"""The httpx transport: HTTP/1.1 over the kernel-stamped network.

No redirects, no cookies, no decompression, and no retries but one: a probe is one request, and what
happens to it is what a user would have felt. Only where the server closed a kept connection in the
same moment is the request sent once more, over a new one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httpx

from exporter.config.connection import TlsSettings
from exporter.config.target import Target
from exporter.net.connection import Connection
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure, is_closed_meanwhile, network_failures
from exporter.net.head import MAX_HEADERS
from exporter.net.http1 import Head
from exporter.net.kernel_clock import Arrival
from exporter.net.pool import Pool
from exporter.net.sockets import sockets
from exporter.net.trust import trusted
from exporter.net.turn import Turn, pieces
from exporter.process.loop import glance
from exporter.result import FailureReason

EXCHANGE = "exchange"
"""The request extension under which a caller hands in its ``Exchange``."""


class Part(NamedTuple):
    """A part of a body, and the network read that brought it."""

    data: bytes
    arrival: Arrival
    ends_read: bool
    """Whether the read is known to have ended with it: its last byte then has the kernel's stamp,
    however late the read was."""


class KernelTransport(httpx.AsyncBaseTransport):
    """Sends requests over one pool of connections.

    Every request carries an ``Exchange`` in its extensions; the body of every response is a
    ``Body``.

    :raises NetworkFailure: from sending, and from reading the body.
    """

    def __init__(self, base_url: str, context: ssl.SSLContext | None) -> None:
        self._pool = Pool(base_url, context)

    @classmethod
    async def to(cls, base_url: str, tls: TlsSettings) -> KernelTransport:
        """A transport that trusts whom these settings name.

        :raises NetworkFailure: ``tls``, a certificate or key file cannot be used;
            ``connect``, the proxy setting of the environment cannot.
        """
        # Without TLS, as with a server in the same pod, nobody needs megabytes of certificates.
        encrypted = urlsplit(base_url).scheme == "https"
        return cls(base_url, await trusted(tls) if encrypted else None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange: Exchange = request.extensions[EXCHANGE]
        try:
            head, connection = await self._respond(request, exchange)
        except NetworkFailure as failure:
            if not is_closed_meanwhile(failure, exchange):
                raise
            self._pool.forget_idle()  # they are most likely as dead
            exchange.begin_again()
            head, connection = await self._respond(request, exchange)
        body = Body(self._pool, connection, request, exchange)
        try:
            _check(head, exchange)
        except NetworkFailure:
            connection.close()  # what comes next over it belongs to another request
            await body.aclose()
            raise
        exchange.was_answered(exchange.latest_arrival().at)
        return httpx.Response(head.status, headers=head.headers, stream=body)

    async def aclose(self) -> None:
        self._pool.close()

    async def _respond(self, request: httpx.Request, exchange: Exchange) -> tuple[Head, Connection]:
        glance()
        with network_failures(exchange, responded=False):
            return await self._pool.ask(request, exchange)


def _check(head: Head, exchange: Exchange) -> None:
    if len(head.headers) > MAX_HEADERS:
        detail = f"the response has more than {MAX_HEADERS} headers"
        raise NetworkFailure(FailureReason.TOO_LARGE, detail)
    if exchange.is_answer_stale:
        detail = "the response came before the request was sent"
        raise NetworkFailure(FailureReason.PROTOCOL, detail)


class Body(httpx.AsyncByteStream):
    """The body of a response as it comes in, with or without the times at which it came."""

    def __init__(
        self, pool: Pool, connection: Connection, request: httpx.Request, exchange: Exchange
    ) -> None:
        self._pool, self._connection = pool, connection
        self._request, self._exchange = request, exchange
        self._is_closed = False

    @staticmethod
    def of(response: httpx.Response) -> Body:
        """The body of a response that a ``KernelTransport`` gave."""
        return cast(Body, response.stream)

    async def parts(self) -> AsyncGenerator[Part, None]:
        """The body as it comes in; the last byte of a late read is a part of its own."""
        turn, exchange = Turn(), self._exchange
        with network_failures(exchange, responded=True):
            while (came := await self._connection.more(exchange)) is not None:
                arrival = exchange.latest_arrival()
                for part in self._cut(came, arrival):
                    yield part
                    if turn.ends_with(part.data, arrival):
                        await asyncio.sleep(0)

    def _cut(self, came: list[bytes], arrival: Arrival) -> list[Part]:
        data = came[0] if len(came) == 1 else b"".join(came)
        if arrival.is_prompt:
            return [Part(piece, arrival, ends_read=False) for piece in pieces(data)]
        before = pieces(data[:-1]) if len(data) > 1 else ()
        parts = [Part(piece, arrival, ends_read=False) for piece in before]
        return [*parts, Part(data[-1:], arrival, self._exchange.ends_read(came[-1]))]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.parts():
            yield part.data

    async def aclose(self) -> None:
        glance()
        if not self._is_closed:
            self._is_closed = True
            self._pool.take_back(self._request, self._connection)
        glance()


class Connections:
    """The connections to one target, kept between its probes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._kept: KernelTransport | None = None
        self._users = 0
        self._retired = False

    @asynccontextmanager
    async def transport(self, *, fresh: bool) -> AsyncIterator[KernelTransport]:
        """A transport over the kept connections, or over none if it is to be ``fresh``.

        :raises NetworkFailure: as ``KernelTransport.to``.
        """
        if fresh:
            async with await self._new() as transport:
                yield transport
            return
        usable = self._kept or await self._new()
        self._kept = self._kept or usable  # another probe may have been faster
        self._users += 1
        try:
            yield self._kept
        finally:
            self._users -= 1
            await self._close_if_done()

    async def _new(self) -> KernelTransport:
        return await KernelTransport.to(self.target.endpoint, self.target.tls)

    async def retire(self) -> None:
        """Close the connections as soon as nobody uses them."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if (self._retired or sockets.are_scarce) and not self._users and self._kept:
            kept, self._kept = self._kept, None
            await kept.aclose()
