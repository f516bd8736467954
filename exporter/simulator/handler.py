"""The interface of every handler: one provider, from the server's side.

A handler is sans-IO. It reads a request, and turns steps and errors into its provider's bytes. The
engine decides when to send them, and what goes wrong.
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
"""The most parts of a request. Clients of the simulator are trusted."""


@dataclass(frozen=True, slots=True)
class Request:
    """A complete HTTP request. Header names are lowercase. Headers can contain a key."""

    method: str
    path: str
    """The path on the wire, without the query."""
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A complete HTTP response."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a response contains besides its content."""

    number: int
    """The number of the request in this simulator. The provider's IDs contain it."""
    created_at: int
    """Unix seconds."""
    served_model: str = ""
    processing_seconds: float = 0.0
    """How long the provider says it needed until the headers."""
    load_seconds: float = 0.0
    """How long the request waited for the model to load."""
    rate_limits: tuple[RateLimit, ...] = ()
    dimensions: int = 0
    """The length of the model's vectors."""
    first_token_probability: float = 1.0
    """The probability of the first token."""


class Refused(Exception):
    """The simulator can't answer the request, and returns this error."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


def read_body(shape: type[W], request: Request) -> W:
    """Parse the body of a request.

    :raises Refused: the body has another shape.
    """
    try:
        return parse(shape, request.body, _MAX_PARTS)
    except ProtocolError as error:
        raise Refused(Error(ErrorKind.BAD_REQUEST, str(error))) from None


def bearer_key(request: Request) -> str | None:
    """Return the API key from the ``authorization`` header, which most providers use."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else None


class Stream(Protocol):
    """A response in progress. It can remember what it has sent."""

    @property
    def headers(self) -> Headers: ...

    def render(self, step: Step) -> Iterable[bytes]:
        """Return the complete events for this step. The last one has the output."""
        ...


class Question(Protocol):
    """A parsed request to one model."""

    @property
    def model(self) -> str: ...

    @property
    def prompt(self) -> str: ...

    @property
    def max_tokens(self) -> int | None:
        """The limit on all output, including reasoning."""
        ...

    @property
    def tools(self) -> Sequence[str]:
        """The names of the tools that the request offers."""
        ...

    def stream(self, facts: Facts) -> Stream:
        """Return a new response to this request."""
        ...


@dataclass(frozen=True, slots=True)
class WholeQuestion:
    """A request with an answer in one piece."""

    model: str | None
    """``None`` if the request isn't about one model."""
    prompt: str
    respond: Callable[[Facts, Mapping[str, Presence]], Response]
    """Returns the response, given whether each of the simulator's models is loaded."""


class Handler(Protocol):
    """One provider's API for one kind of request."""

    def claims(self, request: Request) -> bool:
        """Return whether this handler answers the request."""
        ...

    def key(self, request: Request) -> str | None:
        """Return the API key of the request."""
        ...

    def read(self, request: Request) -> Question | WholeQuestion:
        """Parse the request.

        :raises Refused: the request is invalid.
        """
        ...

    def error(self, error: Error, facts: Facts) -> Response:
        """Return the response for an error instead of a stream."""
        ...


class InOnePiece:
    """A handler of requests with an answer in one piece. Keys and errors are those of the
    provider's chat handler."""

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
