"""A body in small pieces, with turns for everybody else between them."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.net.kernel_clock import Arrival

_PIECE_BYTES = 512
"""Of what has many lines, so much is taken apart at a time: it may hold a hundred events."""
_TURN_LINES = 64
"""After so many lines of one read, or so many parts of it, it is the others' turn. A server may cut
each byte into an HTTP chunk of its own."""


def pieces(data: bytes) -> Sequence[bytes]:
    """The data; where it has many lines, no more than a piece at a time."""
    if data.count(b"\n") <= _TURN_LINES:
        return (data,)
    return [data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)]


class Turn:
    """Tells when a turn of the loop gets long, so that others should have theirs.

    One read may complete hundreds of events, which must not keep all other probes waiting for
    milliseconds. An ordinary stream, a few events a read, never waits here.
    """

    def __init__(self) -> None:
        self._done = 0
        self._arrival: Arrival | None = None

    def ends_with(self, piece: bytes, arrival: Arrival) -> bool:
        """Whether this piece, of this read, is the last that fits into one turn."""
        if arrival is not self._arrival:
            self._done, self._arrival = 0, arrival
        self._done += 1 + piece.count(b"\n")
        if self._done < _TURN_LINES:
            return False
        self._done = 0
        return True
