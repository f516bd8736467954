"""Whether output came at a pace that shows a speed.

A speed is tokens over time. There is none if nearly all of the output came at one moment, for
example from a proxy that buffers a stream, however long the silence before was. And there is none
if tokens were counted that never came over the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.result import NANOSECONDS

_NEARLY_ALL = 0.9
_FASTEST_TOKENS_PER_SECOND = 5_000.0
"""More than servers generate for one user (3,000 on wafer-scale chips; only weights cast in silicon
are faster), and less than a burst (69,000 were seen, and 16,000 with both ends on a busy
machine)."""

_BYTES_PER_TOKEN, _FEW = 0.25, 32
"""A token may be a quarter of a character, but hundreds of tokens aren't two letters."""


@dataclass(slots=True)
class Piece:
    """The output in one read."""

    at: int
    """Nanoseconds."""
    pieces: int = 0
    size: int = 0
    """In bytes."""


def is_burst(reads: Sequence[Piece], tokens: int) -> bool:
    """Whether nearly all of this many tokens came faster than any server generates them."""
    weights = _tokens_in(reads, tokens)
    whole, start, held = sum(weights), 0, 0.0
    for end, read in enumerate(reads):
        held += weights[end]
        while held - weights[start] >= _NEARLY_ALL * whole and start < end:
            held -= weights[start]
            start += 1
        if held < _NEARLY_ALL * whole:
            continue
        # The time runs from the first read, so the tokens in that read don't count.
        seconds = (read.at - reads[start].at) / NANOSECONDS
        if held - weights[start] >= seconds * _FASTEST_TOKENS_PER_SECOND:
            return True
    return False


def hides_tokens(reads: Sequence[Piece], tokens: int) -> bool:
    """Whether far more tokens were counted than the visible text can consist of."""
    shown = sum(read.size for read in reads)
    return tokens > _FEW + shown / _BYTES_PER_TOKEN


def _tokens_in(reads: Sequence[Piece], tokens: int) -> list[float]:
    """An estimate of the tokens in each read: one for each piece of the stream, and the rest spread
    over the text."""
    pieces, size = sum(read.pieces for read in reads), sum(read.size for read in reads)
    more = max(0, tokens - pieces) / size if size else 0.0
    return [read.pieces + more * read.size for read in reads]
