"""The httpx transport: httpcore's connection pool over the kernel-stamped network.

No redirects, no cookies, no decompression, and no retries but one: a probe is one request, and what
happens to it is what a user would have felt. Only where the server closed a kept connection in the
same moment is the request sent once more, over a new one.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httpcore
import httpx

from exporter.config.connection import TlsSettings
from exporter.config.target import Target
from exporter.net.dial import KernelBackend
from exporter.net.exchange import Exchange, current_exchange
from exporter.net.failure import NetworkFailure, is_closed_meanwhile, network_failures
from exporter.net.head import MAX_HEADERS
from exporter.net.kernel_clock import Arrival
from exporter.net.proxies import proxy_for
from exporter.net.sockets import sockets
from exporter.net.trust import tls_context, trusted
from exporter.net.turn import Turn, pieces
from exporter.process.loop import glance
from exporter.result import FailureReason

EXCHANGE = "exchange"
"""The request extension under which a caller hands in its ``Exchange``."""

_IDLE_SECONDS = 120.0
"""Idle connections are given up before the usual NAT gateways and load balancers forget them
(4 minutes on Azure, 350 s on AWS): a silently dead connection would look like a dead provider."""


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
        self._pool = _pool(base_url, context)

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
        current_exchange.set(exchange)
        try:
            response = await self._respond(request, exchange)
        except NetworkFailure as failure:
            if not is_closed_meanwhile(failure, exchange):
                raise
            await self._forget_idle_connections()  # they are most likely as dead
            exchange.begin_again()
            response = await self._respond(request, exchange)
        try:
            _check(response, exchange)
        except NetworkFailure:
            await response.aclose()
            raise
        exchange.was_answered(exchange.latest_arrival().at)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=Body(response, exchange),
        )

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _respond(self, request: httpx.Request, exchange: Exchange) -> httpcore.Response:
        glance()
        with network_failures(exchange, responded=False):
            return await self._pool.handle_async_request(_core_request(request))

    async def _forget_idle_connections(self) -> None:
        for connection in self._pool.connections:
            if connection.is_idle():
                await connection.aclose()


def _check(response: httpcore.Response, exchange: Exchange) -> None:
    if len(response.headers) > MAX_HEADERS:
        detail = f"the response has more than {MAX_HEADERS} headers"
        raise NetworkFailure(FailureReason.TOO_LARGE, detail)
    if exchange.is_answer_stale:
        detail = "the response came before the request was sent"
        raise NetworkFailure(FailureReason.PROTOCOL, detail)


class Body(httpx.AsyncByteStream):
    """The body of a response as it comes in, with or without the times at which it came."""

    def __init__(self, response: httpcore.Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange

    @staticmethod
    def of(response: httpx.Response) -> Body:
        """The body of a response that a ``KernelTransport`` gave."""
        return cast(Body, response.stream)

    async def parts(self) -> AsyncGenerator[Part, None]:
        """The body as it comes in; the last byte of a late read is a part of its own."""
        turn = Turn()
        with network_failures(self._exchange, responded=True):
            async for data in self._response.aiter_stream():
                # What httpcore hands out before it reads on came with the latest read.
                arrival = self._exchange.latest_arrival()
                for piece, ends_read in self._cut(data, arrival):
                    yield Part(piece, arrival, ends_read)
                    await turn.after(piece, arrival)

    def _cut(self, data: bytes, arrival: Arrival) -> Iterator[tuple[bytes, bool]]:
        if arrival.is_prompt:
            yield from ((piece, False) for piece in pieces(data))
            return
        if len(data) > 1:
            yield from ((piece, False) for piece in pieces(data[:-1]))
        yield data[-1:], self._exchange.ends_read(data)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.parts():
            yield part.data

    async def aclose(self) -> None:
        glance()
        await self._response.aclose()
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


def _core_request(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _pool(base_url: str, context: ssl.SSLContext | None) -> httpcore.AsyncConnectionPool:
    # Who asks decides how many streams there are: httpcore's own limit of 10 would make some wait.
    proxy_url = proxy_for(base_url)
    if proxy_url is None:
        return httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=KernelBackend(),
        )
    proxy = httpx.Proxy(proxy_url)
    return httpcore.AsyncHTTPProxy(
        proxy_url=str(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=context,
        proxy_ssl_context=tls_context(TlsSettings()) if proxy.url.scheme == "https" else None,
        max_connections=None,
        keepalive_expiry=_IDLE_SECONDS,
        network_backend=KernelBackend(),
    )
