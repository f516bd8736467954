"""A TCP connection whose reads carry the kernel's receive time."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from contextvars import Context
from typing import NamedTuple

import httpx

from exporter.net.exchange import Exchange
from exporter.net.receiver import Receiver
from exporter.net.sender import Sender
from exporter.net.stream import READ_BYTES, Take
from exporter.process.loop import ProbingLoop, glance
from exporter.settings.presentable import words_of


class _Reader(NamedTuple):
    """Who reads at the moment."""

    exchange: Exchange
    take: Take
    done: asyncio.Future[Exception | None]
    """Resolved once ``take`` has returned ``False``, or with what went wrong."""


class TcpStream:
    """A TCP connection whose reads carry the kernel's receive time.

    The loop watches the socket from the first read on. As soon as it finds the socket readable, it
    reads what is known to be there and hands the bytes over, all in the same callback.
    """

    __slots__ = (
        "_attentive",
        "_loop",
        "_reader",
        "_receiver",
        "_sender",
        "_sock",
        "_watched_since",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._attentive = self._loop if isinstance(self._loop, ProbingLoop) else None
        self._sender = Sender(sock)
        self._receiver = Receiver(sock, is_watched=self._attentive is not None)
        self._reader: _Reader | None = None
        self._watched_since: int | None = None
        """The loop would have reported anything in the socket since then; monotonic nanoseconds.
        ``None`` while the loop does not watch it."""

    async def receive(self, exchange: Exchange, take: Take) -> None:
        """As ``Stream.receive``."""
        self._reader = reader = _Reader(exchange, take, self._loop.create_future())
        if self._watched_since is None:
            # Not in the context of this request, which would live on with the connection.
            Context().run(self._loop.add_reader, self._sock, self._readable)
            self._watched_since = time.monotonic_ns()
        if self._attentive:
            self._attentive.watch()
        try:
            failure = await reader.done
        finally:
            self._reader = None
            if self._attentive:
                self._attentive.unwatch()
        try:
            if failure:
                raise failure
        finally:
            del failure, reader  # the traceback refers to this frame: a cycle

    def _readable(self) -> None:
        """Read, and hand the bytes over. While no caller receives, stop watching instead."""
        reader = self._reader
        if reader is None or reader.done.done():
            self._stop_watching()
            return
        try:
            while (data := self._read(reader.exchange)) is not None:
                if not reader.take(data):
                    reader.done.set_result(None)
                    return
                if not self._receiver.has_waiting:
                    return
        except Exception as error:  # noqa: BLE001  `receive` raises it
            # Not as the future's own exception: asyncio would log it if the task was cancelled.
            reader.done.set_result(error)
        finally:
            del reader  # the error's traceback refers to this frame: a cycle

    def _read(self, exchange: Exchange) -> bytes | None:
        """Read once, without waiting; ``None`` if there is nothing to read after all.

        :raises httpx.ReadError: the connection broke.
        """
        self._note_empty()
        had_waiting = self._receiver.has_waiting
        try:
            data, arrival = self._receiver.receive(READ_BYTES)
        except BlockingIOError:
            self._sender.take_stamp()  # it may be what the loop found
            return None
        except OSError as error:
            raise httpx.ReadError(words_of(error)) from error
        if len(data) == READ_BYTES or had_waiting or self._receiver.has_waiting:
            # The loop finds or found it readable, though not because something came.
            self._watched_since = time.monotonic_ns()
        if self._attentive:
            absence = self._attentive.absence
            arrival = arrival.unless_absent(absence.began, absence.ended)
            self._attentive.glance()
        if not arrival.is_with(exchange.arrival):
            exchange.arrival = arrival
        exchange.read, exchange.closed = data, not data
        return data

    def _note_empty(self) -> None:
        """Note when the loop last knew that the socket was empty."""
        if self._attentive is None:
            return
        attentive = self._attentive.attentive_since_ns(self._sock.fileno())
        if self._watched_since is not None and attentive >= self._watched_since:
            self._receiver.empty_at = max(self._receiver.empty_at, attentive)

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
                try:
                    sent = self._sender.send(rest)
                except BlockingIOError:
                    self._sender.take_stamp()
                    await _writable(self._sock)
                    continue
                rest = rest[sent.accepted :]
                if exchange:
                    exchange.was_sent(sent)
        except OSError as error:
            raise httpx.WriteError(words_of(error)) from error

    def close(self) -> None:
        """As ``Stream.close``."""
        self._stop_watching()
        self._sock.close()

    @property
    def is_readable(self) -> bool:
        """As ``Stream.is_readable``. A closed one counts as readable."""
        if self._sock.fileno() < 0:
            return True
        self._sender.take_stamp()
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))


async def _writable(sock: socket.socket) -> None:
    """Wait until the kernel accepts more bytes."""
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
