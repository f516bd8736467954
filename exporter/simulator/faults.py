"""The faults of a simulated model: one small type each.

``after_tokens`` is the number of output tokens before the fault, in whole chunks. With 0, the
stream opens but brings no output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from exporter.simulator.steps import Error


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error in the provider's own shape instead of a stream."""

    error: Error


@dataclass(frozen=True, slots=True)
class ErrorWithStatusOk:
    """The body of an error, but HTTP status 200."""

    error: Error


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response that no provider wrote: a proxy's error page, a redirect, ..."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is read and never answered."""


@dataclass(frozen=True, slots=True)
class ErrorMidStream:
    """The stream says that it failed, and ends."""

    error: Error
    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The connection ends in the middle of the stream: with a TCP reset, or closed in order."""

    after_tokens: int = 1
    reset: bool = True


@dataclass(frozen=True, slots=True)
class Stall:
    """The stream goes silent for ``seconds``; for ever, unless they are given."""

    after_tokens: int = 1
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are not of the provider's format; the stream then goes on."""

    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class MissingEndMarker:
    """The HTTP body ends in order, but without the provider's end marker or a finish reason."""


@dataclass(frozen=True, slots=True)
class DataAfterEnd:
    """More output comes after the end marker."""


@dataclass(frozen=True, slots=True)
class Endless:
    """The model never stops, at any limit."""


@dataclass(frozen=True, slots=True)
class EmptyAnswer:
    """A whole stream without any output."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declines to answer."""


@dataclass(frozen=True, slots=True)
class ContentFilter:
    """The provider's filter stops the answer."""

    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Compressed:
    """The body is gzip, whether the client accepts that or not."""


Fault = (
    ErrorResponse
    | ErrorWithStatusOk
    | RawResponse
    | Hang
    | ErrorMidStream
    | Disconnect
    | Stall
    | Garbage
    | MissingEndMarker
    | DataAfterEnd
    | Endless
    | EmptyAnswer
    | Refusal
    | ContentFilter
    | Compressed
)
