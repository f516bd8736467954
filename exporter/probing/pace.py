"""Whether output came at a pace from which a speed can be told.

A speed is tokens over time. It is none where nearly all of the output came at one moment, as when
a proxy holds a stream back and then lets go of it, however long the silence before was; nor where
tokens were counted that nobody could see arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.result import NANOSECONDS

_NEARLY_ALL = 0.9
_FASTEST_TOKENS_PER_SECOND = 5_000.0
"""More than servers make for one user (3,000 on wafers; only weights cast in silicon are faster),
and less than a burst brings (69,000 were seen, 16,000 where both ends shared a busy machine)."""

_BYTES_PER_TOKEN, _FEW = 0.25, 32
"""A token may be a quarter of a character, but hundreds of them are not two letters."""


@dataclass(slots=True)
class Piece:
    """What one read brought of the output."""

    at: int
    """Nanoseconds."""
    pieces: int = 0
    size: int = 0
    """In bytes."""


def is_burst(reads: Sequence[Piece], tokens: int) -> bool:
    """Whether nearly all of so many tokens came faster than any server makes them."""
    weights = _tokens_in(reads, tokens)
    whole, start, held = sum(weights), 0, 0.0
    for end, read in enumerate(reads):
        held += weights[end]
        while held - weights[start] >= _NEARLY_ALL * whole and start < end:
            held -= weights[start]
            start += 1
        if held < _NEARLY_ALL * whole:
            continue
        # The first read of a moment is its beginning: it took no time in it.
        seconds = (read.at - reads[start].at) / NANOSECONDS
        if held - weights[start] >= seconds * _FASTEST_TOKENS_PER_SECOND:
            return True
    return False


def hides_tokens(reads: Sequence[Piece], tokens: int) -> bool:
    """Whether far more tokens were counted than the text that was shown can be made of."""
    shown = sum(read.size for read in reads)
    return tokens > _FEW + shown / _BYTES_PER_TOKEN


def _tokens_in(reads: Sequence[Piece], tokens: int) -> list[float]:
    """How many tokens each read brought, as well as can be told: each piece of the stream holds
    one, and the others are spread over the text."""
    pieces, size = sum(read.pieces for read in reads), sum(read.size for read in reads)
    more = max(0, tokens - pieces) / size if size else 0.0
    return [read.pieces + more * read.size for read in reads]
