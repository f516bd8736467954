"""The connections to one server, straight or through a proxy, kept for the next request."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from exporter.config.connection import TlsSettings
from exporter.net.connection import Connection
from exporter.net.dial import connect
from exporter.net.exchange import Exchange
from exporter.net.head import Head
from exporter.net.http1 import Answer
from exporter.net.proxies import proxy_for
from exporter.net.request import RawHeaders, Request
from exporter.net.stream import Stream
from exporter.net.tls import start_tls
from exporter.net.trust import tls_context
from exporter.process.loop import without_rest
from exporter.settings.url import authority

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """The server that a request is for."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Origin:
        """The server that a URL names."""
        port = url.port or _PORTS[url.scheme]
        return cls(url.scheme, url.raw_host.decode("ascii"), port)

    @property
    def authority(self) -> bytes:
        """Host and port."""
        return authority(self.host, self.port).encode()


@dataclass(frozen=True, slots=True)
class _Proxy:
    origin: Origin
    context: ssl.SSLContext | None
    headers: RawHeaders = field(repr=False)
    """They may contain a password."""

    @classmethod
    def of(cls, url: str) -> _Proxy:
        """
        :raises NetworkFailure: the certificates for it can't be used.
        """
        proxy = httpx.Proxy(url)
        encrypted = proxy.url.scheme == "https"
        headers = []
        if proxy.raw_auth:
            told = base64.b64encode(b":".join(proxy.raw_auth))
            headers.append((b"Proxy-Authorization", b"Basic " + told))
        context = tls_context(TlsSettings()) if encrypted else None
        return cls(Origin.of(proxy.url), context, headers)


class Pool:
    """Idle connections, and new ones if there are none. Callers decide how many streams there are
    at once."""

    def __init__(self, base_url: str, context: ssl.SSLContext | None) -> None:
        """
        :raises NetworkFailure: the proxy that the environment names can't be used.
        """
        proxy_url = proxy_for(base_url)
        self._proxy = _Proxy.of(proxy_url) if proxy_url else None
        self._context = context
        self._idle: list[tuple[Origin, Connection]] = []
        self._busy: set[Connection] = set()

    async def ask(self, request: httpx.Request, exchange: Exchange) -> tuple[Head, Connection]:
        """Send a request over a connection. Give the connection to ``take_back`` afterwards.

        :raises httpx.TransportError: there is no connection, or no response.
        """
        origin, target = Origin.of(request.url), request.url.raw_path
        headers = request.headers.raw
        connection = self._kept(origin)
        if connection is None:
            with without_rest():  # for the times of the connection's phases
                connection = Connection(await self._open(origin, exchange))
        if self._proxy and origin.scheme == "http":
            target = b"http://" + request.url.netloc + target
            headers = [*self._proxy.headers, *headers]
        self._busy.add(connection)
        try:
            asked = Request(request.method, target, headers, request.content)
            head = await connection.ask(asked, exchange)
        except BaseException:
            self._busy.discard(connection)
            connection.close()
            raise
        return head, connection

    def take_back(self, request: httpx.Request, connection: Connection) -> None:
        """Keep a connection if it can serve another request."""
        self._busy.discard(connection)
        connection.done()
        if not connection.is_closed:
            self._idle.append((Origin.of(request.url), connection))

    def forget_idle(self) -> None:
        """Close the idle connections."""
        for _, connection in self._idle:
            connection.close()
        self._idle.clear()

    def close(self) -> None:
        """Close all connections, idle or in use."""
        self.forget_idle()
        for connection in self._busy:
            connection.close()

    def _kept(self, origin: Origin) -> Connection | None:
        dead = [kept for kept in self._idle if not kept[1].is_alive]
        for kept in dead:
            self._idle.remove(kept)
            kept[1].close()
        for kept in self._idle:
            if kept[0] == origin:
                self._idle.remove(kept)
                return kept[1]
        return None

    async def _open(self, origin: Origin, exchange: Exchange) -> Stream:
        stream: Stream
        if self._proxy is None:
            stream = await connect(origin.host, origin.port, exchange)
        else:
            stream = await self._through(self._proxy, origin, exchange)
        if self._context is None or origin.scheme != "https":
            return stream
        return await start_tls(stream, self._context, origin.host, exchange)

    async def _through(self, proxy: _Proxy, origin: Origin, exchange: Exchange) -> Stream:
        stream: Stream = await connect(proxy.origin.host, proxy.origin.port, exchange)
        if proxy.context:
            stream = await start_tls(stream, proxy.context, proxy.origin.host, exchange)
        if origin.scheme == "https":
            try:
                await _tunnel(stream, proxy, origin, exchange)
            except BaseException:
                stream.close()
                raise
        return stream


async def _tunnel(stream: Stream, proxy: _Proxy, origin: Origin, exchange: Exchange) -> None:
    """Have a proxy connect this stream to the origin (RFC 9110 section 9.3.6)."""
    headers = [(b"Host", origin.authority), (b"Accept", b"*/*"), *proxy.headers]
    request = Request("CONNECT", origin.authority, headers)
    answer = Answer(request)

    def take(data: bytes) -> bool:
        answer.feed(data)
        return answer.head is None

    try:
        await stream.write(request.sent()[1], None)
        while answer.head is None:
            await stream.receive(exchange, take)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
        raise httpx.ProxyError(f"CONNECT with no response of HTTP: {error}") from error
    if not httpx.codes.is_success(answer.head.status):
        raise httpx.ProxyError(f"{answer.head.status} {answer.head.reason}")
