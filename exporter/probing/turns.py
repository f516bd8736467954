"""A body read in small pieces, with turns for everybody else between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

from exporter.net.network import Exchange

_PIECE_BYTES = 1 << 10
"""At most so much is taken apart at a time: it may hold a hundred small events."""
_TURN_BYTES = 2 * _PIECE_BYTES
"""After so much of one read it is the others' turn."""
_PART_BYTES = 1 << 5
"""A part of the body costs as much as so many bytes, however short it is. A server may cut each
byte into an HTTP chunk of its own."""


async def in_turns(body: AsyncIterator[bytes], exchange: Exchange) -> AsyncGenerator[bytes, None]:
    """The body in pieces. One read may complete hundreds of events, which must not keep all other
    probes waiting for milliseconds. An ordinary stream, a few events a read, never waits here."""
    done, arrival = 0, exchange.arrival
    async with aclosing(cast(AsyncGenerator[bytes, None], body)) as parts:
        async for part in parts:
            if exchange.arrival is not arrival:
                done, arrival = 0, exchange.arrival
            for start in range(0, len(part), _PIECE_BYTES):
                piece = part[start : start + _PIECE_BYTES]
                yield piece
                done += len(piece) + _PART_BYTES
                if done >= _TURN_BYTES:
                    done = 0
                    await asyncio.sleep(0)
