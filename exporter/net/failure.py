"""Why a request broke below HTTP, in the words of ``FailureReason``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from exporter.net.exchange import Exchange
from exporter.net.head import TooManyHeaders
from exporter.result import FailureReason


class DnsError(httpcore.ConnectError):
    """The host name could not be resolved."""


class TlsError(httpcore.ConnectError):
    """The TLS handshake failed; most often the certificate could not be verified."""


class NetworkFailure(httpx.TransportError):
    """The request broke below HTTP; ``reason`` says how."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)

_REASONS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (DnsError, FailureReason.DNS),
    (TlsError, FailureReason.TLS),
    (TooManyHeaders, FailureReason.TOO_LARGE),
    (httpcore.ConnectTimeout, FailureReason.TIMEOUT_CONNECT),
    (httpcore.ConnectError, FailureReason.CONNECT),
    (httpcore.ProxyError, FailureReason.CONNECT),
    (httpcore.LocalProtocolError, FailureReason.INTERNAL),
)


@contextmanager
def network_failures(exchange: Exchange, *, responded: bool) -> Iterator[None]:
    """Turn whatever httpcore raises into a ``NetworkFailure``."""
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
