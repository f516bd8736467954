"""The body of a response as it arrives, with the times at which it did."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, cast

import httpx

from exporter.net.connection import Connection
from exporter.net.exchange import Exchange
from exporter.net.failure import network_failures
from exporter.net.kernel_clock import Arrival
from exporter.net.pool import Pool
from exporter.net.turn import Turn, pieces
from exporter.process.loop import glance


class Part(NamedTuple):
    """A part of a body, and the network read that brought it."""

    data: bytes
    arrival: Arrival
    ends_read: bool
    """Whether the read is known to have ended with this part. If so, the kernel's stamp belongs
    to its last byte, however late the read was."""


Sink = Callable[[Part], bool]
"""Takes the next part of a body. Returns whether it has enough."""


class Body(httpx.AsyncByteStream):
    """The body of a response, for ``drain`` or as httpx reads it."""

    __slots__ = (
        "_came",
        "_connection",
        "_exchange",
        "_is_closed",
        "_parts",
        "_pool",
        "_request",
        "_sink",
        "_turn",
    )

    def __init__(
        self, pool: Pool, connection: Connection, request: httpx.Request, exchange: Exchange
    ) -> None:
        self._pool, self._connection = pool, connection
        self._request, self._exchange = request, exchange
        self._came = connection.answer.came
        self._turn = Turn()
        self._parts: deque[Part] = deque()
        """What arrived and isn't handed over yet."""
        self._sink: Sink | None = None
        """``None`` once it has enough."""
        self._is_closed = False

    @staticmethod
    def of(response: httpx.Response) -> Body:
        """The body of a response that a ``KernelTransport`` returned."""
        return cast(Body, response.stream)

    async def drain(self, sink: Sink) -> None:
        """Hand the body over, part by part, until the sink has enough or the body ends. Call it
        again for the rest.

        The sink runs as soon as a part is read, mostly in the loop's own callback and not in the
        caller's task, so it must not take long. Whatever it raises is raised here.

        :raises NetworkFailure: the body ends too early, or is broken.
        """
        self._sink = sink
        try:
            with network_failures(self._exchange, responded=True):
                while self._sink is not None:
                    if self._hand_over():
                        await self._connection.receive(self._exchange, self._hand_over)
                    elif self._sink is not None:
                        await asyncio.sleep(0)
        finally:
            self._sink = None

    def _hand_over(self) -> bool:
        """Hand over what arrived, as far as it fits into one turn of the loop. Returns whether to
        read on at once."""
        parts, came = self._parts, self._came
        while self._sink:
            if not parts:
                if not (data := came.take()):
                    break
                self._cut(data, self._exchange.latest_arrival())
            part = parts.popleft()
            if self._sink(part):
                self._sink = None
            elif parts and self._turn.ends_with(part.data, part.arrival):
                return False
        if came.is_over:
            self._sink = None
        return self._sink is not None

    def _cut(self, came: list[bytes], arrival: Arrival) -> None:
        """Cut what one read brought into parts. The last byte of a late read is a part of its
        own."""
        parts = self._parts
        data = came[0] if len(came) == 1 else b"".join(came)
        is_late = not arrival.is_prompt
        for piece in pieces(data[:-1] if is_late else data):
            parts.append(Part(piece, arrival, ends_read=False))
        if is_late:
            parts.append(Part(data[-1:], arrival, self._exchange.ends_read(came[-1])))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: list[Part] = []

        def take_one(part: Part) -> bool:
            parts.append(part)
            return True

        while True:
            await self.drain(take_one)
            if not parts:
                return
            yield parts.pop().data

    async def aclose(self) -> None:
        glance()
        if not self._is_closed:
            self._is_closed = True
            self._pool.take_back(self._request, self._connection)
        glance()
