"""The httpx transport: httpcore's connection pool over the kernel-stamped network.

No retries, no redirects, no cookies, no decompression: a probe is one request, and what happens
to it is what a user would have felt.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import httpcore
import httpx

from exporter.config.connection import TlsSettings
from exporter.config.target import Target
from exporter.net.network import DnsError, Exchange, KernelBackend, TlsError, current_exchange
from exporter.result import FailureReason
from exporter.settings.redaction import remember

EXCHANGE = "exchange"
"""The request extension under which a caller hands in its ``Exchange``."""

_IDLE_SECONDS = 120.0
"""Idle connections are given up before the usual NAT gateways and load balancers forget them
(4 minutes on Azure, 350 s on AWS): a silently dead connection would look like a dead provider."""

_MAX_HEADERS = 256
"""Each header costs time. Servers are content with some dozens, Python's own client with 100."""

_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)

_REASONS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (DnsError, FailureReason.DNS),
    (TlsError, FailureReason.TLS),
    (httpcore.ConnectTimeout, FailureReason.TIMEOUT_CONNECT),
    (httpcore.ConnectError, FailureReason.CONNECT),
    (httpcore.ProxyError, FailureReason.CONNECT),
    (httpcore.LocalProtocolError, FailureReason.INTERNAL),
)


class NetworkFailure(httpx.TransportError):
    """The request broke below HTTP; ``reason`` says how."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class KernelTransport(httpx.AsyncBaseTransport):
    """Sends requests over one pool of connections.

    Every request carries an ``Exchange`` in its extensions.

    :raises NetworkFailure: from sending, and from reading the body.
    """

    def __init__(self, base_url: str, tls: TlsSettings) -> None:
        self._pool = _pool(base_url, tls)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange: Exchange = request.extensions[EXCHANGE]
        current_exchange.set(exchange)
        with _failures(exchange, responded=False):
            response = await self._pool.handle_async_request(_core_request(request))
        if len(response.headers) > _MAX_HEADERS:
            await response.aclose()
            detail = f"the response has more than {_MAX_HEADERS} headers"
            raise NetworkFailure(FailureReason.TOO_LARGE, detail)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response, exchange),
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _failures(self._exchange, responded=True):
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


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

        :raises NetworkFailure: ``tls``, a certificate or key file cannot be used;
            ``connect``, the proxy setting of the environment cannot.
        """
        if fresh:
            async with self._new() as transport:
                yield transport
            return
        self._kept = self._kept or self._new()
        self._users += 1
        try:
            yield self._kept
        finally:
            self._users -= 1
            await self._close_if_done()

    def _new(self) -> KernelTransport:
        return KernelTransport(self.target.endpoint, self.target.tls)

    async def retire(self) -> None:
        """Close the connections as soon as nobody uses them."""
        self._retired = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._retired and not self._users and self._kept:
            kept, self._kept = self._kept, None
            await kept.aclose()


@contextmanager
def _failures(exchange: Exchange, *, responded: bool) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise NetworkFailure(_reason(error, exchange, responded), _detail(error)) from error


def _reason(error: Exception, exchange: Exchange, responded: bool) -> FailureReason:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, httpcore.RemoteProtocolError) and not exchange.closed:
        return FailureReason.PROTOCOL
    return FailureReason.TRUNCATED if responded else FailureReason.CONNECT


def _detail(error: Exception) -> str:
    if isinstance(error, httpcore.ProxyError):
        return f"the proxy answered {error}"
    return str(error) or type(error).__name__


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


def _pool(base_url: str, tls: TlsSettings) -> httpcore.AsyncConnectionPool:
    # Without TLS, as with a model server in the same pod, nobody needs megabytes of certificates.
    context = tls_context(tls) if urlsplit(base_url).scheme == "https" else None
    proxy_url = proxy_for(base_url)
    if proxy_url is None:
        return httpcore.AsyncConnectionPool(
            ssl_context=context,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=KernelBackend(),
        )
    proxy = httpx.Proxy(proxy_url)
    return httpcore.AsyncHTTPProxy(
        proxy_url=str(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=context,
        proxy_ssl_context=tls_context(TlsSettings()) if proxy.url.scheme == "https" else None,
        keepalive_expiry=_IDLE_SECONDS,
        network_backend=KernelBackend(),
    )


def proxy_for(url: str) -> str | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for a
    URL.

    :raises NetworkFailure: it is no HTTP proxy.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if password := urlsplit(proxy).password:
        remember(password)
    if not proxy.startswith(("http://", "https://")):
        raise NetworkFailure(
            FailureReason.CONNECT,
            f"the proxy for {parts.scheme} must be an http:// or https:// URL; "
            f"it is a {urlsplit(proxy).scheme}:// one",
        )
    return proxy


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for these settings. Contexts are shared: each takes about a megabyte.

    :raises NetworkFailure: a file cannot be read or used.
    """
    files = (settings.ca_file, settings.cert_file, settings.key_file)
    return _tls_context(settings, tuple(map(_modified, filter(None, files))))


@lru_cache(maxsize=64)
def _tls_context(settings: TlsSettings, _versions: tuple[int, ...]) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    try:
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file and settings.key_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(file) for file in (settings.ca_file, settings.cert_file) if file)
        raise NetworkFailure(FailureReason.TLS, f"{names} cannot be used: {error}") from error
    return context


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        detail = f"{file} cannot be read: {error.strerror}"
        raise NetworkFailure(FailureReason.TLS, detail) from error
