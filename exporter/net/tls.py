"""TLS over another stream, with a timed handshake."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx

from exporter.net.exchange import Exchange
from exporter.net.failure import TlsError
from exporter.net.stream import READ_BYTES, Stream
from exporter.result import NANOSECONDS, ConnectionPhases

T = TypeVar("T")


class TlsStream:
    """TLS over another stream. Plaintext has the arrival time of the network read that
    completed its record, which the stream below has noted."""

    def __init__(self, below: Stream, tls: ssl.SSLObject, bios: _Bios) -> None:
        self._below = below
        self._tls = tls
        self._bios = bios

    async def handshake(self, exchange: Exchange) -> None:
        """Agree on keys, and find out who the peer is.

        :raises ssl.SSLError: that fails.
        """
        await self._pump(self._tls.do_handshake, exchange, sends=False)

    async def read(self, exchange: Exchange) -> bytes:
        """As ``Stream.read``."""
        try:
            data = await self._pump(lambda: self._tls.read(READ_BYTES), exchange)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""  # HTTP's own framing tells whether the message was whole
        except ssl.SSLError as error:
            raise _broken(error, exchange) from error
        exchange.read, exchange.has_more = data, bool(self._bios.incoming.pending)
        if not data:
            exchange.closed = True
        elif self._tls.pending():
            await asyncio.sleep(0)  # what is left of a record needs no read, which would do so
        return data

    async def write(self, data: bytes, exchange: Exchange | None) -> None:
        """As ``Stream.write``."""
        try:
            await self._pump(
                lambda: self._tls.write(data), exchange or Exchange(), sends=exchange is not None
            )
        except ssl.SSLError as error:
            raise httpx.WriteError(str(error)) from error

    def close(self) -> None:
        """As ``Stream.close``."""
        self._below.close()

    @property
    def is_readable(self) -> bool:
        """As ``Stream.is_readable``; what waits in front of the socket counts as well."""
        waits = self._bios.incoming.pending or self._tls.pending()
        return bool(waits) or self._below.is_readable

    async def _pump(self, step: Callable[[], T], exchange: Exchange, *, sends: bool = True) -> T:
        """Carry out one TLS step, moving ciphertext between it and the stream below.

        :param sends: whether what is written may be a request.
        """
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(exchange if sends else None)
                if data := await self._below.read(exchange):
                    self._bios.incoming.write(data)
                else:
                    self._bios.incoming.write_eof()
            else:
                await self._flush(exchange if sends else None)
                return result

    async def _flush(self, exchange: Exchange | None) -> None:
        if self._bios.outgoing.pending:
            await self._below.write(self._bios.outgoing.read(), exchange)


def _broken(error: ssl.SSLError, exchange: Exchange) -> Exception:
    """In TLS 1.3 the server sees the client's certificate only after the handshake is over for
    the client (RFC 8446 section 4.4.2.4), and says then what is wrong with it."""
    if exchange.heard:
        return httpx.ReadError(str(error))
    return TlsError(f"the server refused the TLS connection: {error.reason or error}")


@dataclass(frozen=True, slots=True)
class _Bios:
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


async def start_tls(
    below: Stream, context: ssl.SSLContext, host: str, exchange: Exchange
) -> TlsStream:
    """Carry out the handshake over an open stream, and time it.

    :raises TlsError: the peer does not speak TLS, or its certificate is not to be trusted.
    """
    started = time.monotonic_ns()
    bios = _Bios(ssl.MemoryBIO(), ssl.MemoryBIO())
    tls = context.wrap_bio(bios.incoming, bios.outgoing, server_hostname=host)
    stream = TlsStream(below, tls, bios)
    try:
        await stream.handshake(exchange)
    except (ssl.SSLError, ssl.CertificateError) as error:
        below.close()
        raise TlsError(_tls_detail(error)) from error
    except (httpx.ReadError, httpx.WriteError) as error:
        below.close()
        raise TlsError(f"the connection broke during the TLS handshake: {error}") from error
    except BaseException:
        below.close()
        raise
    exchange.connection = replace(
        exchange.connection or ConnectionPhases(),
        tls_seconds=(time.monotonic_ns() - started) / NANOSECONDS,
    )
    exchange.certificate_expires_at = _not_after(tls)
    return stream


def _tls_detail(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "the server closed the connection during the TLS handshake"
    return f"TLS handshake failed: {getattr(error, 'reason', None) or error}"


def _not_after(tls: ssl.SSLObject) -> float | None:
    not_after = (tls.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(not_after) if isinstance(not_after, str) else None
