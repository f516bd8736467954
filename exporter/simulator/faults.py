"""The faults of a simulated model: one small type each.

``after_tokens`` is the number of output tokens before the fault, in whole chunks. With 0, the
stream opens but has no output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from exporter.simulator.steps import Error


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error in the provider's format instead of a stream."""

    error: Error


@dataclass(frozen=True, slots=True)
class ErrorWithStatusOk:
    """The body of an error with HTTP status 200."""

    error: Error


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response that doesn't come from the provider, such as a proxy's error page or a
    redirect."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is read but never answered."""


@dataclass(frozen=True, slots=True)
class ErrorMidStream:
    """The stream reports an error, and ends."""

    error: Error
    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The connection ends in the middle of the stream: it is reset, or closed normally."""

    after_tokens: int = 1
    reset: bool = True


@dataclass(frozen=True, slots=True)
class Stall:
    """The stream pauses for ``seconds``, or forever by default."""

    after_tokens: int = 1
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that violate the provider's format. The stream then continues."""

    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class MissingEndMarker:
    """The HTTP body ends normally, but without the provider's end marker or a finish reason."""


@dataclass(frozen=True, slots=True)
class DataAfterEnd:
    """More output follows the end marker."""


@dataclass(frozen=True, slots=True)
class Endless:
    """The model never stops, whatever the limit."""


@dataclass(frozen=True, slots=True)
class EmptyAnswer:
    """A complete stream without output."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model declines to answer."""


@dataclass(frozen=True, slots=True)
class ContentFilter:
    """The provider's filter stops the answer."""

    after_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Compressed:
    """The body is gzip, even if the client doesn't accept that."""


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
