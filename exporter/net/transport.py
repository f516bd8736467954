"""The httpx transport: HTTP/1.1 over the kernel-stamped network.

It doesn't follow redirects, keep cookies, or decompress, and it doesn't retry: a probe is one
request, and measures what a user would have felt. There is one exception. If the server closed a
kept connection just then, the request is sent once more over a new one.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

from exporter.config.connection import TlsSettings
from exporter.config.target import Target
from exporter.net.body import Body
from exporter.net.connection import Connection
from exporter.net.exchange import Exchange
from exporter.net.failure import NetworkFailure, is_closed_meanwhile, network_failures
from exporter.net.head import MAX_HEADERS, Head
from exporter.net.pool import Pool
from exporter.net.sockets import sockets
from exporter.net.trust import trusted
from exporter.process.loop import glance
from exporter.result import FailureReason

EXCHANGE = "exchange"
"""The request extension that holds the caller's ``Exchange``."""


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
        """A transport with these TLS settings.

        :raises NetworkFailure: with reason ``tls`` if a certificate or key file can't be used, and
            ``connect`` if the proxy that the environment names can't.
        """
        # Certificates take megabytes, which plain HTTP to a server in the same pod doesn't need.
        encrypted = urlsplit(base_url).scheme == "https"
        return cls(base_url, await trusted(tls) if encrypted else None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange: Exchange = request.extensions[EXCHANGE]
        try:
            head, connection = await self._respond(request, exchange)
        except NetworkFailure as failure:
            if not is_closed_meanwhile(failure, exchange):
                raise
            self._pool.forget_idle()  # most likely, they are dead as well
            exchange.begin_again()
            head, connection = await self._respond(request, exchange)
        body = Body(self._pool, connection, request, exchange)
        try:
            _check(head, exchange)
        except NetworkFailure:
            connection.close()  # what follows on it belongs to another request
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


class Connections:
    """The connections to one target, kept between its probes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._kept: KernelTransport | None = None
        self._users = 0
        self._retired = False

    @asynccontextmanager
    async def transport(self, *, fresh: bool) -> AsyncIterator[KernelTransport]:
        """A transport over the kept connections, or one without any if it should be ``fresh``.

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
        """Close the connections as soon as no probe uses them."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if (self._retired or sockets.are_scarce) and not self._users and self._kept:
            kept, self._kept = self._kept, None
            await kept.aclose()
