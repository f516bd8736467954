"""Whether output arrived at a pace that has a meaningful speed.

Speed is tokens over time. It is meaningless if nearly all of the output arrives at once, for
example from a proxy that buffers the stream, however long the silence before was. It is also
meaningless if the count includes tokens that weren't sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.result import NANOSECONDS

_NEARLY_ALL = 0.9
_FASTEST_TOKENS_PER_SECOND = 10_000.0
"""More than servers generate for one user (5,800 by a tiny model on a GPU, 3,000 on wafers; only
weights cast in silicon are faster), and less than a burst (69,000 were seen, or 16,000 if both ends
shared a busy machine)."""

_BYTES_PER_TOKEN, _FEW = 0.25, 32
"""A token can be a quarter of a character, but two letters aren't hundreds of tokens."""


@dataclass(slots=True)
class Piece:
    """The output in one read."""

    at: int
    """Nanoseconds."""
    pieces: int = 0
    size: int = 0
    """In bytes."""


def is_burst(reads: Sequence[Piece], tokens: int) -> bool:
    """Return whether nearly all of these tokens arrived faster than any server generates them."""
    weights = _tokens_in(reads, tokens)
    whole, start, held = sum(weights), 0, 0.0
    for end, read in enumerate(reads):
        held += weights[end]
        while held - weights[start] >= _NEARLY_ALL * whole and start < end:
            held -= weights[start]
            start += 1
        if held < _NEARLY_ALL * whole:
            continue
        # The first read only marks the start of the interval, so its tokens took no time.
        seconds = (read.at - reads[start].at) / NANOSECONDS
        if held - weights[start] >= seconds * _FASTEST_TOKENS_PER_SECOND:
            return True
    return False


def hides_tokens(reads: Sequence[Piece], tokens: int) -> bool:
    """Return whether the count is far higher than the visible text allows."""
    shown = sum([read.size for read in reads])
    return tokens > _FEW + shown / _BYTES_PER_TOKEN


def _tokens_in(reads: Sequence[Piece], tokens: int) -> list[float]:
    """Estimate how many tokens each read contains. Each piece has one, and the others are spread
    over the text."""
    pieces, size = sum([read.pieces for read in reads]), sum([read.size for read in reads])
    more = max(0, tokens - pieces) / size if size else 0.0
    return [read.pieces + more * read.size for read in reads]
