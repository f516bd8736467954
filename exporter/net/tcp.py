"""A TCP connection whose reads carry the kernel's receive time."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from contextvars import Context
from typing import Any

import httpcore

from exporter.net.exchange import exchange_in_progress
from exporter.net.kernel_clock import Arrival, receive
from exporter.net.limit import READ_BYTES, within
from exporter.net.tls import start_tls
from exporter.process.loop import ProbingLoop, glance


class TcpStream(httpcore.AsyncNetworkStream):
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
        self._carries_tls = False
        self._watched_since: int | None = None
        """Had anything been in the socket since, the loop would have said so; monotonic
        nanoseconds. ``None`` while the loop does not watch it."""
        self._empty_at = time.monotonic_ns()
        """What is in the socket now came after this."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await within(timeout, httpcore.ReadTimeout, self._read(max_bytes))

    async def _read(self, max_bytes: int) -> bytes:
        self._max_bytes = min(max_bytes, READ_BYTES)
        self._reading = self._loop.create_future()
        if self._watched_since is None:
            # Not in the context of this request, which would live on with the connection.
            Context().run(self._loop.add_reader, self._sock, self._receive)
            self._watched_since = time.monotonic_ns()
        try:
            data, arrival = await self._awaited(self._reading)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        glance()
        exchange = exchange_in_progress()
        if not arrival.is_with(exchange.arrival):
            exchange.arrival = arrival
        exchange.read, exchange.closed = data, not data
        exchange.heard |= bool(data) and not self._carries_tls
        exchange.head.check(data)
        return data

    def _receive(self) -> None:
        """There is something to read. What nobody asks for is left where it is."""
        if self._reading is None or self._reading.done():
            self._stop_watching()
            return
        asked = time.monotonic_ns()
        try:
            data, arrival = receive(self._sock, self._max_bytes, self._empty_since())
        except BlockingIOError:
            return
        except OSError as error:
            self._reading.set_exception(error)
            return
        if len(data) < self._max_bytes:
            self._empty_at = asked
        else:  # the loop will find it readable again, though not because something came
            self._watched_since = time.monotonic_ns()
        if isinstance(self._loop, ProbingLoop):
            absence = self._loop.absence
            arrival = arrival.unless_absent(absence.began, absence.ended)
        self._reading.set_result((data, arrival))

    async def _awaited(
        self, reading: asyncio.Future[tuple[bytes, Arrival]]
    ) -> tuple[bytes, Arrival]:
        if not isinstance(self._loop, ProbingLoop):
            return await reading
        self._loop.watch()
        try:
            return await reading
        finally:
            self._loop.unwatch()

    def _empty_since(self) -> int | None:
        """When there was nothing in the socket yet; ``None`` where the loop does not know."""
        if not isinstance(self._loop, ProbingLoop):
            return None
        attentive = self._loop.attentive_since_ns(self._sock.fileno())
        if self._watched_since is not None and attentive >= self._watched_since:
            self._empty_at = max(self._empty_at, attentive)
        return self._empty_at

    def _stop_watching(self) -> None:
        if self._watched_since is not None:
            self._watched_since = None
            self._loop.remove_reader(self._sock)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await within(timeout, httpcore.WriteTimeout, self._write(buffer))

    async def _write(self, buffer: bytes) -> None:
        if not buffer:  # httpcore writes an empty body as an empty buffer
            return
        glance()
        started = time.monotonic_ns()
        try:
            began = await self._send(memoryview(buffer))
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error
        exchange = exchange_in_progress()
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
        self._carries_tls = True
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
