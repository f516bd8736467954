"""The interface of every handler: one provider, from the server's side.

A handler is sans-IO. It reads a request, and turns steps and errors into its provider's bytes. The
engine decides when they are sent, and what goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.providers.base import ProtocolError
from exporter.providers.wire import W, parse
from exporter.result import RateLimit
from exporter.simulator.model import Presence
from exporter.simulator.steps import Error, ErrorKind, Step

Headers = tuple[tuple[str, str], ...]

_MAX_PARTS = 1 << 20
"""Of a request. Clients of the simulator are trusted."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request; header names are lower case. Its headers may hold a key."""

    method: str
    path: str
    """As it was sent, without the query."""
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole HTTP response."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """What a response tells about itself besides its content."""

    number: int
    """Counts the requests of the simulator; the provider's ids are made of it."""
    created_at: int
    """Unix seconds."""
    served_model: str = ""
    processing_seconds: float = 0.0
    """How long the provider says it took to the headers."""
    load_seconds: float = 0.0
    """How long the request waited for the model to be loaded."""
    rate_limits: tuple[RateLimit, ...] = ()
    dimensions: int = 0
    """How long the model's vectors are."""
    first_token_probability: float = 1.0
    """How sure the model is of its first token."""


class Refused(Exception):
    """The request cannot be answered; carries the error to be sent."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


def read_body(shape: type[W], request: Request) -> W:
    """What a request says.

    :raises Refused: its body is not of this shape.
    """
    try:
        return parse(shape, request.body, _MAX_PARTS)
    except ProtocolError as error:
        raise Refused(Error(ErrorKind.BAD_REQUEST, str(error))) from None


def bearer_key(request: Request) -> str | None:
    """The API key of a request that carries it as most providers have it."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None


class Stream(Protocol):
    """One response under way; may remember what it has sent."""

    @property
    def headers(self) -> Headers: ...

    def render(self, step: Step) -> Iterable[bytes]:
        """The events that tell this step, each whole; output is in the last one."""
        ...


class Question(Protocol):
    """One request to a model, read."""

    @property
    def model(self) -> str: ...

    @property
    def prompt(self) -> str: ...

    @property
    def max_tokens(self) -> int | None:
        """The limit on all that is generated, thought and answer."""
        ...

    @property
    def tools(self) -> Sequence[str]:
        """The names of the tools that may be called."""
        ...

    def stream(self, facts: Facts) -> Stream:
        """A new response to this request."""
        ...


@dataclass(frozen=True, slots=True)
class WholeQuestion:
    """One request that is answered in one piece."""

    model: str | None
    """``None`` where no single model is asked."""
    prompt: str
    respond: Callable[[Facts, Mapping[str, Presence]], Response]
    """The response, with whether each of the simulator's models is there."""


class Handler(Protocol):
    """One provider, asked one kind of question."""

    def claims(self, request: Request) -> bool:
        """Whether the request is one for this provider's model."""
        ...

    def key(self, request: Request) -> str | None:
        """The API key that the request carries."""
        ...

    def read(self, request: Request) -> Question | WholeQuestion:
        """What is asked.

        :raises Refused: the request makes no sense.
        """
        ...

    def error(self, error: Error, facts: Facts) -> Response:
        """An error instead of a stream."""
        ...


class InOnePiece:
    """A handler of requests that are answered in one piece; keys and errors are the provider's in
    general."""

    def __init__(
        self,
        general: Handler,
        claims: Callable[[Request], bool],
        read: Callable[[Request], WholeQuestion],
    ) -> None:
        self.claims = claims
        self.read = read
        self.key = general.key
        self.error = general.error
