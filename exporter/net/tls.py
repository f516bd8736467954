"""TLS over another stream, with a timed handshake."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpcore

from exporter.net.exchange import exchange_in_progress
from exporter.net.failure import TlsError
from exporter.net.limit import READ_BYTES, within
from exporter.result import NANOSECONDS, ConnectionPhases

T = TypeVar("T")


class TlsStream(httpcore.AsyncNetworkStream):
    """TLS over another stream. Plaintext has the arrival time of the network read that
    completed its record, which the stream below has noted."""

    def __init__(self, below: httpcore.AsyncNetworkStream, tls: ssl.SSLObject, bios: _Bios) -> None:
        self._below = below
        self._tls = tls
        self._bios = bios

    async def handshake(self) -> None:
        await self._pump(self._tls.do_handshake)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await within(timeout, httpcore.ReadTimeout, self._read(max_bytes))

    async def _read(self, max_bytes: int) -> bytes:
        size = min(max_bytes, READ_BYTES)
        try:
            data = await self._pump(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""  # HTTP's own framing tells whether the message was whole
        except ssl.SSLError as error:
            raise self._broken(error) from error
        exchange = exchange_in_progress()
        exchange.heard |= bool(data)
        exchange.read, exchange.has_more = data, bool(self._bios.incoming.pending)
        exchange.head.check(data)
        if not data:
            exchange.closed = True
        elif self._tls.pending():
            await asyncio.sleep(0)  # what is left of a record needs no read, which would do so
        return data

    @staticmethod
    def _broken(error: ssl.SSLError) -> Exception:
        """In TLS 1.3 the server sees the client's certificate only after the handshake is over for
        the client (RFC 8446 section 4.4.2.4), and says then what is wrong with it."""
        if exchange_in_progress().heard:
            return httpcore.ReadError(str(error))
        return TlsError(f"the server refused the TLS connection: {error.reason or error}")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await within(timeout, httpcore.WriteTimeout, self._write(buffer))

    async def _write(self, buffer: bytes) -> None:
        try:
            await self._pump(lambda: self._tls.write(buffer))
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._below.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await start_tls(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    async def _pump(self, step: Callable[[], T]) -> T:
        """Carry out one TLS step, moving ciphertext between it and the stream below."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._below.read(READ_BYTES):
                    self._bios.incoming.write(data)
                else:
                    self._bios.incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._bios.outgoing.pending:
            await self._below.write(self._bios.outgoing.read())


@dataclass(frozen=True, slots=True)
class _Bios:
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


async def start_tls(
    below: httpcore.AsyncNetworkStream,
    ssl_context: ssl.SSLContext,
    server_hostname: str | None,
    timeout: float | None,
) -> TlsStream:
    """Carry out the handshake over an open stream, and time it.

    :raises TlsError: the peer does not speak TLS, or its certificate is not to be trusted.
    """
    started = time.monotonic_ns()
    bios = _Bios(ssl.MemoryBIO(), ssl.MemoryBIO())
    tls = ssl_context.wrap_bio(bios.incoming, bios.outgoing, server_hostname=server_hostname)
    stream = TlsStream(below, tls, bios)
    exchange = exchange_in_progress()
    exchange.handshaking = True
    try:
        await within(timeout, httpcore.ConnectTimeout, stream.handshake())
    except (ssl.SSLError, ssl.CertificateError) as error:
        await below.aclose()
        raise TlsError(_tls_detail(error)) from error
    except (httpcore.ReadError, httpcore.WriteError) as error:
        await below.aclose()
        raise TlsError(f"the connection broke during the TLS handshake: {error}") from error
    except BaseException:
        await below.aclose()
        raise
    finally:
        exchange.handshaking = False
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
