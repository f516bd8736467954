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
from exporter.net.stream import READ_BYTES, Stream, Take
from exporter.result import NANOSECONDS, ConnectionPhases

T = TypeVar("T")


class TlsStream:
    """TLS over another stream. Plaintext has the arrival time of the network read that
    completed its record, as recorded by the stream below."""

    def __init__(self, below: Stream, tls: ssl.SSLObject, bios: _Bios) -> None:
        self._below = below
        self._tls = tls
        self._bios = bios

    async def handshake(self, exchange: Exchange) -> None:
        """Agree on keys, and verify the peer's certificate.

        :raises ssl.SSLError: that fails.
        """
        await self._pump(self._tls.do_handshake, exchange, None)

    async def receive(self, exchange: Exchange, take: Take) -> None:
        """As ``Stream.receive``."""
        if self._tls.pending():
            await asyncio.sleep(0)  # the rest of a long record needs no read, which would wait

        def decrypt(data: bytes) -> bool:
            self._feed(data)
            return self._hand_over(exchange, take)

        reads_on = self._hand_over(exchange, take)
        await self._flush(None)
        if reads_on:
            await self._below.receive(exchange, decrypt)

    def _hand_over(self, exchange: Exchange, take: Take) -> bool:
        """Hand over what can be decrypted. Returns whether to read on at once."""
        while True:
            try:
                data = self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                return not self._bios.outgoing.pending
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                data = b""  # HTTP's own framing shows whether the message was complete
            except ssl.SSLError as error:
                raise _broken(error, exchange) from error
            exchange.read, exchange.has_more = data, bool(self._bios.incoming.pending)
            exchange.closed |= not data
            if not take(data) or self._tls.pending() or not data:
                return False

    async def write(self, data: bytes, exchange: Exchange | None) -> None:
        """As ``Stream.write``."""
        try:
            await self._pump(lambda: self._tls.write(data), exchange or Exchange(), exchange)
        except ssl.SSLError as error:
            raise httpx.WriteError(str(error)) from error

    def close(self) -> None:
        """As ``Stream.close``."""
        self._below.close()

    @property
    def is_readable(self) -> bool:
        """As ``Stream.is_readable``. Bytes that were read and not yet decrypted count, too."""
        waits = self._bios.incoming.pending or self._tls.pending()
        return bool(waits) or self._below.is_readable

    async def _pump(self, step: Callable[[], T], exchange: Exchange, sending: Exchange | None) -> T:
        """Carry out one TLS step, moving ciphertext between it and the stream below.

        :param sending: the exchange whose request is written; ``None`` for anything else.
        """
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(sending)
                await self._below.receive(exchange, self._feed)
            else:
                await self._flush(sending)
                return result

    def _feed(self, data: bytes) -> bool:
        """Take ciphertext; one read at a time."""
        if data:
            self._bios.incoming.write(data)
        else:
            self._bios.incoming.write_eof()
        return False

    async def _flush(self, exchange: Exchange | None) -> None:
        if self._bios.outgoing.pending:
            await self._below.write(self._bios.outgoing.read(), exchange)


def _broken(error: ssl.SSLError, exchange: Exchange) -> Exception:
    """In TLS 1.3, the server sees the client's certificate only after the handshake is over for
    the client (RFC 8446 section 4.4.2.4), and only then reports what is wrong with it."""
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

    :raises TlsError: the peer doesn't speak TLS, or its certificate isn't trusted.
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
