"""Dialects without a stream: the body is one message, complete when the body ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic

from exporter.providers.base import (
    A_contra,
    Call,
    Decoder,
    Dialect,
    Ended,
    Event,
    HeaderFacts,
    HttpRequest,
    ProtocolError,
    ResponseHead,
)
from exporter.providers.wire import MAX_DIGITS, check_numbers, parts_of
from exporter.result import Failure, FailureReason

MAX_BYTES = 2 << 20
"""A list of a thousand models takes about one MiB."""
MAX_PARTS = 96 << 10
"""The most parts of an answer, which take a few milliseconds to parse. A list of 500 verbose models
has about as many."""
_PARTS_OF_OBJECT = 16
"""Parsing an object takes as long as parsing this many other parts."""


class InOnePiece(ABC, Generic[A_contra]):
    """A dialect without a stream. Errors and headers are those of the provider's chat dialect."""

    max_parts = MAX_PARTS
    """Set a lower limit for answers that are slow to parse."""

    def __init__(self, general: Dialect[Any]) -> None:
        self.general = general
        """The dialect that reads errors and headers."""

    @abstractmethod
    def request(self, call: Call[A_contra]) -> HttpRequest:
        """Return the HTTP request for a call."""

    @abstractmethod
    def events(self, body: bytearray) -> Iterable[Event]:
        """Yield the events of a complete body, which has at most ``max_parts``. The body isn't
        copied, because two megabytes take more than a millisecond.

        :raises ProtocolError: the body isn't in the provider's format.
        """

    def decoder(self) -> Decoder:
        return _WholeDecoder(self)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return self.general.failure(head, body)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return self.general.header_facts(head)


class _WholeDecoder:
    """Collects the body, which can only be parsed as a whole, and limits the work of parsing it."""

    def __init__(self, dialect: InOnePiece[Any]) -> None:
        self._dialect = dialect
        self._body = bytearray()
        self._parts = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        self._parts += parts_of(data) + data.count(b"{") * (_PARTS_OF_OBJECT - 1)
        self._parts += data.count(b"\\")  # escapes are slow to parse too
        check_numbers(self._body[-len(data) - MAX_DIGITS :])
        if len(self._body) > MAX_BYTES:
            raise _too_large(f"is longer than {MAX_BYTES} bytes")
        if self._parts > self._dialect.max_parts:
            raise _too_large(f"has more than {self._dialect.max_parts} numbers, texts and fields")
        return ()

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        return [*self._dialect.events(self._body), Ended()]


def _too_large(how: str) -> ProtocolError:
    return ProtocolError(f"the response {how}", FailureReason.TOO_LARGE)


def bearer(call: Call[Any]) -> dict[str, str]:
    """Return the API key as a bearer token, which most providers expect."""
    return {"authorization": f"Bearer {call.api_key}"} if call.api_key else {}
