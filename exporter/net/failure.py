"""Why a request broke below HTTP, in the words of ``FailureReason``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from exporter.net.exchange import Exchange
from exporter.net.head import TooManyHeaders
from exporter.net.sockets import OutOfSockets
from exporter.result import FailureReason
from exporter.settings.presentable import words_of


class DnsError(httpx.ConnectError):
    """The host name could not be resolved."""


class TlsError(httpx.ConnectError):
    """The TLS handshake failed, most often because the certificate couldn't be verified, or the
    server rejected the connection right after the handshake."""


class NetworkFailure(httpx.TransportError):
    """The request broke below HTTP; ``reason`` says how."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class OwnFault(NetworkFailure):
    """The request couldn't be sent because the exporter itself lacks something."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureReason.INTERNAL, detail)


_FAILURES = (
    httpx.NetworkError,
    httpx.ProtocolError,
    httpx.ProxyError,
)

_REASONS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (DnsError, FailureReason.DNS),
    (TlsError, FailureReason.TLS),
    (TooManyHeaders, FailureReason.TOO_LARGE),
    (httpx.ConnectError, FailureReason.CONNECT),
    (httpx.ProxyError, FailureReason.CONNECT),
    (httpx.LocalProtocolError, FailureReason.INTERNAL),
)


def is_closed_meanwhile(failure: NetworkFailure, exchange: Exchange) -> bool:
    """Whether the server had closed a kept connection before it could respond on it.

    That is no failure: either side may close an idle connection at any time (RFC 9112 section
    9.5), and the official SDKs retry once, too.
    """
    broke = isinstance(
        failure.__cause__, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
    )
    is_kept = exchange.connection is None
    return broke and is_kept and not exchange.heard and failure.reason is FailureReason.CONNECT


@contextmanager
def network_failures(exchange: Exchange, *, responded: bool) -> Iterator[None]:
    """Turn whatever the network raises into a ``NetworkFailure``."""
    try:
        yield
    except OutOfSockets as error:
        raise OwnFault(str(error)) from error
    except _FAILURES as error:
        raise NetworkFailure(_reason(error, exchange, responded), _detail(error)) from error


def _reason(error: Exception, exchange: Exchange, responded: bool) -> FailureReason:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, httpx.RemoteProtocolError) and not exchange.closed:
        return FailureReason.PROTOCOL
    return FailureReason.TRUNCATED if responded else FailureReason.CONNECT


def _detail(error: Exception) -> str:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy answered {error}"
    return words_of(error)
