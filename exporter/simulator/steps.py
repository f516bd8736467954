"""What a model does while it answers, independent of the provider.

A handler turns each step into its provider's bytes. Acts are for the engine only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.providers.base import OutputKind
from exporter.result import Usage


class FinishReason(StrEnum):
    """Why generation stopped."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    TOOL_CALLS = "tool_calls"


class ErrorKind(StrEnum):
    """What an error means. Each handler maps it to its provider's status and code."""

    BAD_REQUEST = "bad_request"
    INVALID_KEY = "invalid_key"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    CONTENT_FILTER = "content_filter"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True)
class Error:
    """An error, independent of the provider's format."""

    kind: ErrorKind
    message: str = "The simulator was told to fail."
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """The stream opens before anything is generated."""

    alone: bool
    """Whether the opening is a separate event, if the format makes that optional."""
    usage: Usage | None = None
    """The usage of the prompt. ``None`` if usage isn't reported."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A keep-alive without content: a comment or a ping event."""


@dataclass(frozen=True, slots=True)
class HiddenReasoning:
    """The model has finished reasoning. The tokens count, but their text isn't shown."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of generated text, sent as one chunk of the stream."""

    kind: OutputKind
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Calling:
    """A tool call starts. Its arguments are the output that follows."""

    name: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Generation has stopped. ``usage`` is ``None`` if it isn't reported. ``reason`` is ``None`` if
    the stream lacks an end."""

    reason: FinishReason | None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream reports an error."""

    error: Error


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that violate the provider's format."""


@dataclass(frozen=True, slots=True)
class End:
    """The provider's end marker."""


Step = Begin | Ping | HiddenReasoning | Calling | Output | Finish | Failed | Broken | End


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing more is sent until the client disconnects."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends immediately."""

    reset: bool


Act = Silence | HangUp


@dataclass(frozen=True, slots=True)
class Timed:
    """A step and its time, in seconds after the request was complete."""

    at_seconds: float
    step: Step | Act
