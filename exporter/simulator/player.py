"""Sends timed steps over a connection, at absolute times so that delays don't add up."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterable

from exporter.result import NANOSECONDS
from exporter.simulator.connection import Connection
from exporter.simulator.handler import Headers, Stream
from exporter.simulator.ledger import Entry
from exporter.simulator.steps import End, Finish, HangUp, Output, Silence, Step, Timed

_SPLIT_SECONDS = 0.002
_GZIP = 16 + zlib.MAX_WBITS


async def sleep_until(monotonic_ns: float) -> None:
    """Sleep until a time on the monotonic clock. Yield to other tasks even if it has passed."""
    await asyncio.sleep(max(0.0, (monotonic_ns - time.monotonic_ns()) / NANOSECONDS))


class Player:
    """Sends one stream."""

    def __init__(
        self,
        connection: Connection,
        entry: Entry,
        stream: Stream,
        *,
        start_ns: float,
        events_per_write: int = 1,
        split_characters: bool = False,
        compressed: bool = False,
    ) -> None:
        self._connection = connection
        self._entry = entry
        self._stream = stream
        self._start_ns = start_ns
        self._events_per_write = events_per_write
        self._split_characters = split_characters
        self._compressor = zlib.compressobj(wbits=_GZIP) if compressed else None
        self._events: list[bytes] = []
        self._tokens = 0

    async def play(self, steps: Iterable[Timed]) -> None:
        """Send the headers now, and each step at its time."""
        self._entry.status = 200
        await self._connection.write(self._connection.head(200, self._headers()))
        for timed in steps:
            await sleep_until(self._start_ns + timed.at_seconds * NANOSECONDS)
            match timed.step:
                case Silence():
                    await self._flush()
                    await asyncio.Event().wait()
                case HangUp(reset):
                    await self._hang_up(reset)
                    return
                case step:
                    await self._take(step)
        await self._finish()

    def _headers(self) -> Headers:
        encoding = (("content-encoding", "gzip"),) if self._compressor else ()
        return (*self._stream.headers, *encoding)

    async def _take(self, step: Step) -> None:
        if isinstance(step, Finish):
            self._entry.usage = step.usage
        for event in self._stream.render(step):
            if len(self._events) >= self._events_per_write:
                await self._flush()
            self._events.append(event)
        if isinstance(step, Output):
            self._tokens += step.tokens
        ends = isinstance(step, End)
        if ends or len(self._events) >= self._events_per_write:
            await self._flush(last=ends)

    async def _flush(self, last: bool = False) -> None:
        if not self._events:
            return
        wire = b"".join(self._connection.data(self._encoded(event)) for event in self._events)
        self._events.clear()
        if self._split_characters:
            beginning, wire = _cut(wire)
            await self._connection.write(beginning)
            await asyncio.sleep(_SPLIT_SECONDS)
        if self._tokens:
            self._entry.sending(self._tokens)
            self._tokens = 0
        if last:
            self._entry.commit()
        await self._connection.write(wire)

    def _encoded(self, event: bytes) -> bytes:
        if self._compressor is None:
            return event
        return self._compressor.compress(event) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    async def _finish(self) -> None:
        await self._flush()
        tail = self._connection.data(self._compressor.flush()) if self._compressor else b""
        self._entry.commit()
        await self._connection.write(tail + self._connection.end())

    async def _hang_up(self, reset: bool) -> None:
        await self._flush()
        self._entry.commit()
        if reset:
            self._connection.reset()
        else:
            await self._connection.close()


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Split the data inside its first multi-byte character, or else in the middle."""
    middle = len(data) // 2
    cut = next((at for at, byte in enumerate(data) if byte & 0xC0 == 0x80), middle)
    return data[:cut], data[cut:]
