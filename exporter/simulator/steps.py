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
    """What an error means; each handler has its provider's status and words for it."""

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
    """One error, to be put into a provider's shape."""

    kind: ErrorKind
    message: str = "The simulator was told to fail."
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """The stream opens; nothing is generated yet."""

    alone: bool
    """Whether the opening is a separate event, if the format allows both."""
    usage: Usage | None = None
    """What is known of the prompt by now; ``None`` where usage is not to be told."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life without content: a comment or a ping event."""


@dataclass(frozen=True, slots=True)
class HiddenReasoning:
    """The model has thought; the tokens count, but their text is not shown."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of generated text, as one chunk of the stream."""

    kind: OutputKind
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Calling:
    """A call of a tool begins; its arguments are the output that follows."""

    name: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Generation has stopped; ``usage`` is ``None`` where it is not to be told, and ``reason``
    where the stream is not to have an end."""

    reason: FinishReason | None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream says that it failed."""

    error: Error


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that is not of the provider's format."""


@dataclass(frozen=True, slots=True)
class End:
    """The provider's end marker."""


Step = Begin | Ping | HiddenReasoning | Calling | Output | Finish | Failed | Broken | End


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing more is sent until the client leaves."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection ends at once."""

    reset: bool


Act = Silence | HangUp


@dataclass(frozen=True, slots=True)
class Timed:
    """A step, and when it is due: seconds after the request was complete."""

    at_seconds: float
    step: Step | Act
