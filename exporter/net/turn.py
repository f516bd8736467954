"""Splitting a long read, so that other probes get a turn of the loop in between."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.net.kernel_clock import Arrival

_PIECE_BYTES = 512
"""The piece of a read with many lines that is decoded at a time. It may hold a hundred events."""
_TURN_LINES = 64
"""After this many lines or parts of one read, other probes get a turn. A server may send every byte
as an HTTP chunk of its own."""


def pieces(data: bytes) -> Sequence[bytes]:
    """The data, in pieces if it has many lines; none if it is empty."""
    if data.count(b"\n") <= _TURN_LINES:
        return (data,) if data else ()
    return [data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)]


class Turn:
    """Decides when a turn of the loop has been long enough.

    One read may complete hundreds of events, which must not keep all other probes waiting for
    milliseconds. An ordinary stream, with a few events in a read, never waits here.
    """

    def __init__(self) -> None:
        self._done = 0
        self._arrival: Arrival | None = None

    def ends_with(self, piece: bytes, arrival: Arrival) -> bool:
        """Whether this piece of this read is the last that fits into one turn."""
        if arrival is not self._arrival:
            self._done, self._arrival = 0, arrival
        self._done += 1 + piece.count(b"\n")
        if self._done < _TURN_LINES:
            return False
        self._done = 0
        return True
