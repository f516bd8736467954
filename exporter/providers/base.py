"""The interface of all dialects, which turn calls into HTTP requests and bytes into events.

A dialect is sans-IO: it has no socket, no clock, and no metrics. Tests can therefore describe each
provider's quirks as a table of input bytes and expected events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from exporter.providers.asks import Ask, Reply
from exporter.providers.calls import CallPiece
from exporter.result import Failure, FailureReason, RateLimit, Usage

A_co = TypeVar("A_co", bound=Ask, covariant=True)
A_contra = TypeVar("A_contra", bound=Ask, contravariant=True)


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """AWS keys for signing requests. They are temporary if there is a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[A_co]):
    """A question for one model, and how to reach it."""

    model: str
    ask: A_co
    base_url: str
    """The base URL of the API, without a trailing slash."""
    api_key: str | None = field(default=None, repr=False)
    aws: AwsCredentials | None = None
    entra_token: str | None = field(default=None, repr=False)
    region: str | None = None
    api_version: str | None = None
    """The configured API version, for providers that have several."""
    now: datetime | None = None
    """The time for signatures, because dialects have no clock."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """The user's own request fields, merged over the dialect's."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that is ready to send. ``headers`` can hold secrets, so ``repr`` leaves them
    out."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers of a response. Header names are lowercase."""

    status: int
    headers: Mapping[str, str]
    read_at: datetime | None = None
    """When the response was read, to interpret the dates in it. Dialects have no clock."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a provider reports in its response headers."""

    request_id: str | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    retry_after_seconds: float | None = None


class OutputKind(StrEnum):
    """The kinds of generated output. Any of them can be the first token."""

    REASONING = "reasoning"
    ANSWER = "answer"
    TOOL = "tool"
    REFUSAL = "refusal"


@dataclass(slots=True)
class Output:
    """A non-empty piece of generated output.

    It isn't frozen, because there is one per token and a frozen dataclass takes three times as long
    to create.
    """

    kind: OutputKind
    text: str
    is_summary: bool = field(default=False, compare=False)
    """Whether the text summarizes output that the provider generated and counted but doesn't
    send."""
    call: CallPiece | None = field(default=None, compare=False)
    """The tool call that this piece belongs to, if the model calls a tool that the probe
    offered."""


@dataclass(frozen=True, slots=True)
class Replied:
    """An answer that came in one piece."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """The likeliest tokens at one position of the answer, and their probabilities."""

    tokens: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The provider's own token count. If a stream has several, the last one is valid."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class ModelServed:
    """The model that answered, according to the provider."""

    name: str


@dataclass(frozen=True, slots=True)
class RequestIdentified:
    """The request ID, if the provider sends it in the body."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """How long the server says it took to load the model, in seconds.

    The value is small for a warm model, whose weights are already in memory. For a cold model, it
    is the exact cold start.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """Generation stopped. ``reason`` is the provider's own word."""

    reason: str
    with_token: bool = field(default=False, compare=False)
    """Whether the count includes an end-of-sequence token that isn't shown."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream itself reports that the request failed, whatever the HTTP status was."""

    failure: Failure
    is_ending: bool = field(default=False, compare=False)
    """Whether this also ends the generation, so that no other finish reason has to follow."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider's end marker: the stream is complete."""


Event = (
    Output
    | Likelihoods
    | Replied
    | UsageReported
    | ModelServed
    | RequestIdentified
    | ModelLoaded
    | Finished
    | Failed
    | Ended
)


class ProtocolError(Exception):
    """The bytes violate the provider's format. ``reason`` is ``protocol`` or ``too_large``."""

    def __init__(self, detail: str, reason: FailureReason = FailureReason.PROTOCOL) -> None:
        super().__init__(detail)
        self.reason = reason


class Decoder(Protocol):
    """Turns the bytes of one response body into events."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take the next bytes, split anywhere, and return the events that they complete.

        :raises ProtocolError: the bytes violate the format.
        """
        ...

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        """Handle the end of the body, and return the last events.

        They include ``Ended`` if the provider has sent a finish reason and the HTTP message is
        ``whole``.

        :raises ProtocolError: the format forbids an end at this point.
        """
        ...


class Dialect(Protocol[A_contra]):
    """How to ask one provider one kind of question over HTTP."""

    def request(self, call: Call[A_contra]) -> HttpRequest:
        """Return the HTTP request for a call."""
        ...

    def decoder(self) -> Decoder:
        """Return a new decoder for one successful response."""
        ...

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        """Return the failure that an unsuccessful response describes.

        Return ``None`` if a response with status 200 contains no error.
        """
        ...

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        """Return the facts that are only in the response headers."""
        ...
