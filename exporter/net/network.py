"""The network below httpcore: connections opened in timed phases, reads stamped by the kernel.

httpcore keeps connections and speaks HTTP; this module is its network backend. What happens on
the wire is noted on the ``Exchange`` of the request that is being carried out, found through a
context variable, since httpcore's interface has no place to hand it down.
"""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import aiohappyeyeballs
import httpcore

from exporter.net.kernel_clock import Arrival, receive, stamp_arrivals
from exporter.process.loop import ProbingLoop
from exporter.result import NANOSECONDS, ConnectionPhases

_READ_BYTES = 1 << 12
"""At most so much is read and taken apart at a time. Cut by a hostile server into chunks of one
byte, 64 KiB would keep every other stream waiting for a quarter of a second."""
_HAPPY_EYEBALLS_DELAY_SECONDS = 0.25  # RFC 8305 section 5

T = TypeVar("T")


class DnsError(httpcore.ConnectError):
    """The host name could not be resolved."""


class TlsError(httpcore.ConnectError):
    """The TLS handshake failed; most often the certificate could not be verified."""


def _ignore() -> None:
    return None


@dataclass(slots=True)
class Exchange:
    """What the network did for one request, noted as it happens."""

    connection: ConnectionPhases | None = None
    """``None`` while no connection had to be opened."""
    began: int | None = None
    """When the first bytes of the request were about to be handed to the kernel, monotonic
    nanoseconds."""
    sent: int | None = None
    """When the latest bytes of the request were handed to the kernel, monotonic nanoseconds."""
    sent_uncertainty: int = 0
    """How much earlier that may have been, in nanoseconds: the process may have been set aside
    on its way back from the kernel."""
    arrival: Arrival | None = None
    """The latest read."""
    closed: bool = False
    """Whether the peer has closed the connection."""
    certificate_expires_at: float | None = None
    """``notAfter`` of the server's certificate, Unix seconds."""
    handshaking: bool = False
    """Whether TLS is being set up; what is written then is no part of the request."""
    on_sent: Callable[[], None] = field(default=_ignore, repr=False)
    """Called whenever ``sent`` has moved."""

    @property
    def is_answer_stale(self) -> bool:
        """Whether what was read came before the request, or was read before it: a server that
        sends more than it was asked for leaves that in the connection."""
        return self.began is None or self.arrival is None or self.arrival.at < self.began

    def was_answered(self, at: int) -> None:
        """Note that the answer began to arrive at this time, monotonic nanoseconds. A process that
        was set aside on its way back from the kernel takes the time of the sending too late."""
        self.sent = min(at, self.sent or at)


current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")


def _exchange() -> Exchange:
    """The exchange in progress; a throw-away one where nobody is watching (a pool that closes
    an idle connection, say)."""
    return current_exchange.get(None) or Exchange()


class KernelBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore; DNS, TCP and TLS are timed apart."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await _within(timeout, httpcore.ConnectTimeout, self._connect(host, port))

    async def _connect(self, host: str, port: int) -> KernelStream:
        started = time.monotonic_ns()
        addresses = await _resolve(host, port)
        resolved = time.monotonic_ns()
        sock = await _open_socket(addresses)
        connected = time.monotonic_ns()
        exchange = _exchange()
        exchange.connection = ConnectionPhases(
            dns_seconds=None if _is_address(host) else (resolved - started) / NANOSECONDS,
            tcp_seconds=(connected - resolved) / NANOSECONDS,
        )
        return KernelStream(sock)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class KernelStream(httpcore.AsyncNetworkStream):
    """A TCP connection whose reads carry the kernel's receive time.

    The loop watches the socket from the first read on; a read is carried out at the moment when
    the loop finds the socket readable, and its task goes on in its turn. So a flood takes turns
    with all else, and nothing is asked of the kernel in vain.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[tuple[bytes, Arrival]] | None = None
        self._max_bytes = 0
        self._watched_since: int | None = None
        """Had anything been in the socket since, the loop would have said so; monotonic
        nanoseconds. ``None`` while the loop does not watch it."""
        self._empty_at = time.monotonic_ns()
        """What is in the socket now came after this."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await _within(timeout, httpcore.ReadTimeout, self._read(max_bytes))

    async def _read(self, max_bytes: int) -> bytes:
        self._max_bytes = min(max_bytes, _READ_BYTES)
        self._reading = self._loop.create_future()
        if self._watched_since is None:
            # Not in the context of this request, which would live on with the connection.
            Context().run(self._loop.add_reader, self._sock, self._receive)
            self._watched_since = time.monotonic_ns()
        try:
            data, arrival = await self._reading
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        exchange = _exchange()
        if not arrival.is_with(exchange.arrival):
            exchange.arrival = arrival
        exchange.closed = not data
        return data

    def _receive(self) -> None:
        """There is something to read. What nobody asks for is left where it is."""
        if self._reading is None or self._reading.done():
            self._stop_watching()
            return
        try:
            data, arrival = receive(self._sock, self._max_bytes, self._empty_since())
        except BlockingIOError:
            return
        except OSError as error:
            self._reading.set_exception(error)
            return
        if len(data) < self._max_bytes:
            self._empty_at = time.monotonic_ns()
        else:  # the loop will find it readable again, though not because something came
            self._watched_since = time.monotonic_ns()
        self._reading.set_result((data, arrival))

    def _empty_since(self) -> int | None:
        """When there was nothing in the socket yet; ``None`` where the loop does not know."""
        if not isinstance(self._loop, ProbingLoop):
            return None
        attentive = self._loop.attentive_since_ns
        if self._watched_since is not None and attentive >= self._watched_since:
            self._empty_at = max(self._empty_at, attentive)
        return self._empty_at

    def _stop_watching(self) -> None:
        if self._watched_since is not None:
            self._watched_since = None
            self._loop.remove_reader(self._sock)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await _within(timeout, httpcore.WriteTimeout, self._write(buffer))

    async def _write(self, buffer: bytes) -> None:
        if not buffer:  # httpcore writes an empty body as an empty buffer
            return
        started = time.monotonic_ns()
        try:
            began = await self._send(memoryview(buffer))
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error
        exchange = _exchange()
        if not exchange.handshaking:
            exchange.began = exchange.began or started
            exchange.sent = time.monotonic_ns()
            exchange.sent_uncertainty = exchange.sent - began
            exchange.on_sent()

    async def _send(self, rest: memoryview) -> int:
        """When the call began that handed over the last of these bytes, monotonic nanoseconds."""
        while True:
            began = time.monotonic_ns()
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                await _writable(self._sock)
            if not rest:
                return began

    async def aclose(self) -> None:
        self._stop_watching()
        self._sock.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await start_tls(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "is_readable":  # how httpcore sees that an idle connection was closed
                return _is_readable(self._sock)
            case "server_addr":
                return self._sock.getpeername()
            case "client_addr":
                return self._sock.getsockname()
            case "socket":
                return self._sock
        return None


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
        return await _within(timeout, httpcore.ReadTimeout, self._read(max_bytes))

    async def _read(self, max_bytes: int) -> bytes:
        size = min(max_bytes, _READ_BYTES)
        try:
            data = await self._pump(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data = b""  # HTTP's own framing tells whether the message was whole
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error
        if not data:
            _exchange().closed = True
        elif self._tls.pending():
            await asyncio.sleep(0)  # what is left of a record needs no read, which would do so
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await _within(timeout, httpcore.WriteTimeout, self._write(buffer))

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
                if data := await self._below.read(_READ_BYTES):
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
    exchange = _exchange()
    exchange.handshaking = True
    try:
        await _within(timeout, httpcore.ConnectTimeout, stream.handshake())
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


async def _resolve(host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
    try:
        loop = asyncio.get_running_loop()
        return list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (socket.gaierror, UnicodeError) as error:
        raise DnsError(f"{host} cannot be resolved: {error}") from error


async def _open_socket(addresses: list[aiohappyeyeballs.AddrInfoType]) -> socket.socket:
    try:
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY_SECONDS
        )
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    stamp_arrivals(sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


async def _writable(sock: socket.socket) -> None:
    """Wait until the kernel takes more."""
    loop, descriptor = asyncio.get_running_loop(), sock.fileno()
    future: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_writer(descriptor, ready)
    try:
        await future
    finally:
        loop.remove_writer(descriptor)


def _is_readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


async def _within(seconds: float | None, expired: type[Exception], operation: Awaitable[T]) -> T:
    """The result of an operation, or the exception that httpcore expects for its timeout."""
    if seconds is None:
        return await operation
    try:
        async with asyncio.timeout(seconds):
            return await operation
    except TimeoutError as error:
        raise expired(f"timed out after {seconds:g} s") from error
