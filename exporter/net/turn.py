"""A body in small pieces, with turns for everybody else between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from exporter.net.kernel_clock import Arrival

_PIECE_BYTES = 512
"""Of what has many lines, so much is taken apart at a time: it may hold a hundred events."""
_TURN_LINES = 64
"""After so many lines of one read, or so many parts of it, it is the others' turn. A server may cut
each byte into an HTTP chunk of its own."""


def pieces(data: bytes) -> Iterator[bytes]:
    """The data; where it has many lines, no more than a piece at a time."""
    if data.count(b"\n") <= _TURN_LINES:
        return iter((data,))
    return (data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES))


class Turn:
    """Ends a turn of the loop before it gets long.

    One read may complete hundreds of events, which must not keep all other probes waiting for
    milliseconds. An ordinary stream, a few events a read, never waits here.
    """

    def __init__(self) -> None:
        self._done = 0
        self._arrival: Arrival | None = None

    async def after(self, piece: bytes, arrival: Arrival) -> None:
        """Let others have their turn, if this piece was the last that fits into one."""
        if arrival is not self._arrival:
            self._done, self._arrival = 0, arrival
        self._done += 1 + piece.count(b"\n")
        if self._done >= _TURN_LINES:
            self._done = 0
            await asyncio.sleep(0)
