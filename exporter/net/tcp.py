"""A TCP connection whose reads carry the kernel's receive time."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from contextvars import Context

import httpx

from exporter.net.exchange import Exchange
from exporter.net.kernel_clock import Arrival, receive
from exporter.net.stream import READ_BYTES
from exporter.process.loop import ProbingLoop, glance


class TcpStream:
    """A TCP connection whose reads carry the kernel's receive time.

    The loop watches the socket from the first read on; a read is carried out at the moment when
    the loop finds the socket readable, and its task goes on in its turn. So a flood takes turns
    with all else, and nothing is asked of the kernel in vain.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._attentive = self._loop if isinstance(self._loop, ProbingLoop) else None
        self._reading: asyncio.Future[tuple[bytes, Arrival]] | None = None
        self._watched_since: int | None = None
        """Had anything been in the socket since, the loop would have said so; monotonic
        nanoseconds. ``None`` while the loop does not watch it."""
        self._empty_at = time.monotonic_ns()
        """What is in the socket now came after this."""

    async def read(self, exchange: Exchange) -> bytes:
        """As ``Stream.read``."""
        self._reading = self._loop.create_future()
        if self._watched_since is None:
            # Not in the context of this request, which would live on with the connection.
            Context().run(self._loop.add_reader, self._sock, self._receive)
            self._watched_since = time.monotonic_ns()
        attentive = self._attentive
        if attentive:
            attentive.watch()
        try:
            data, arrival = await self._reading
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        finally:
            if attentive:
                attentive.unwatch()
        if attentive:
            attentive.glance()
        if not arrival.is_with(exchange.arrival):
            exchange.arrival = arrival
        exchange.read, exchange.closed = data, not data
        return data

    def _receive(self) -> None:
        """There is something to read. What nobody asks for is left where it is."""
        reading = self._reading
        if reading is None or reading.done():
            self._stop_watching()
            return
        asked = time.monotonic_ns()
        try:
            data, arrival = receive(self._sock, READ_BYTES, self._empty_since())
        except BlockingIOError:
            return
        except OSError as error:
            reading.set_exception(error)
            return
        if len(data) < READ_BYTES:
            self._empty_at = asked
        else:  # the loop will find it readable again, though not because something came
            self._watched_since = time.monotonic_ns()
        if self._attentive:
            absence = self._attentive.absence
            arrival = arrival.unless_absent(absence.began, absence.ended)
        reading.set_result((data, arrival))

    def _empty_since(self) -> int | None:
        """When there was nothing in the socket yet; ``None`` where the loop does not know."""
        if self._attentive is None:
            return None
        attentive = self._attentive.attentive_since_ns(self._sock.fileno())
        if self._watched_since is not None and attentive >= self._watched_since:
            self._empty_at = max(self._empty_at, attentive)
        return self._empty_at

    def _stop_watching(self) -> None:
        if self._watched_since is not None:
            self._watched_since = None
            self._loop.remove_reader(self._sock)

    async def write(self, data: bytes, exchange: Exchange | None) -> None:
        """As ``Stream.write``."""
        glance()
        rest = memoryview(data)
        try:
            while rest:
                began = time.monotonic_ns()
                try:
                    count = self._sock.send(rest)
                except BlockingIOError:
                    await _writable(self._sock)
                    continue
                rest = rest[count:]
                if exchange:
                    exchange.was_sent(began, time.monotonic_ns())
        except OSError as error:
            raise httpx.WriteError(str(error)) from error

    def close(self) -> None:
        """As ``Stream.close``."""
        self._stop_watching()
        self._sock.close()

    @property
    def is_readable(self) -> bool:
        """As ``Stream.is_readable``; so is a closed one."""
        if self._sock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))


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
