"""What every dialect speaks: a call becomes an HTTP request, bytes become typed events.

A dialect is sans-IO. It has no socket, no clock and no metric, so each provider's quirk can be
tested as a table of bytes in, events out.
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
    """Keys to sign requests with, temporary ones if there is a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[A_co]):
    """What is asked of one model, and how it is reached."""

    model: str
    ask: A_co
    base_url: str
    """Where the API lives, with no slash at its end."""
    api_key: str | None = field(default=None, repr=False)
    aws: AwsCredentials | None = None
    entra_token: str | None = field(default=None, repr=False)
    region: str | None = None
    api_version: str | None = None
    """The version of the API, where the provider has several and one is configured."""
    now: datetime | None = None
    """The time for signatures; dialects have no clock of their own."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """The user's own request fields, merged over the dialect's."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request ready to be sent; ``headers`` may hold secrets and is kept out of ``repr``."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers of a response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    read_at: datetime | None = None
    """The time at which it was read, for dates in it; dialects have no clock of their own."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a provider says in its response headers."""

    request_id: str | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    retry_after_seconds: float | None = None


class OutputKind(StrEnum):
    """The sorts of generated output; each of them can be the first token."""

    REASONING = "reasoning"
    ANSWER = "answer"
    TOOL = "tool"
    REFUSAL = "refusal"


@dataclass(slots=True)
class Output:
    """A non-empty piece of generated output. It is not frozen, as there is one for each token, and
    a frozen one takes three times as long to make."""

    kind: OutputKind
    text: str
    is_summary: bool = field(default=False, compare=False)
    """Whether it only sums up what was generated and counted."""
    call: CallPiece | None = field(default=None, compare=False)
    """Which tool is called, and with what, where a tool of ours is."""


@dataclass(frozen=True, slots=True)
class Replied:
    """An answer that came in one piece."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """The likeliest tokens at some place of the answer, each with its probability."""

    tokens: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The provider's own token count; of several, the last holds."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class ModelServed:
    """The model that the provider says answered."""

    name: str


@dataclass(frozen=True, slots=True)
class RequestIdentified:
    """The request id, where the provider gives it in the body."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """How long the server says it took to have the model in memory, in seconds: small for a warm
    model, whose weights were there already, and the exact cold start for any other."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """Generation stopped; ``reason`` is the provider's own word."""

    reason: str
    with_token: bool = field(default=False, compare=False)
    """Whether a token came with it that is counted and not shown, the one that ends a sequence."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream itself says that the request failed, whatever the HTTP status was."""

    failure: Failure
    is_ending: bool = field(default=False, compare=False)
    """Whether it is also why generation stopped, so that nothing more need come."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider's end marker: the stream is whole."""


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
    """The bytes break the provider's format; ``reason`` is ``protocol`` or ``too_large``."""

    def __init__(self, detail: str, reason: FailureReason = FailureReason.PROTOCOL) -> None:
        super().__init__(detail)
        self.reason = reason


class Decoder(Protocol):
    """Turns the bytes of one response body into events."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take the next bytes, split anywhere, and return the events that they complete.

        :raises ProtocolError: the bytes break the format.
        """
        ...

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        """The body is over; return what that means: the end of the answer, if the provider has
        said why it stopped and the HTTP message is ``whole``.

        :raises ProtocolError: the body stopped in a way that the format forbids.
        """
        ...


class Dialect(Protocol[A_contra]):
    """How one provider is asked one kind of question, on the wire."""

    def request(self, call: Call[A_contra]) -> HttpRequest:
        """The request for a call."""
        ...

    def decoder(self) -> Decoder:
        """A new decoder for one successful response."""
        ...

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        """What an unsuccessful response means.

        ``None`` where a response with status 200 holds no error after all.
        """
        ...

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        """What the response headers say besides the content."""
        ...
