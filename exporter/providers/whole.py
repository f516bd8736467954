"""Dialects whose answers come in one piece: a body is one message, whole when the body ends."""

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
"""A list of a thousand models has about one."""
MAX_PARTS = 96 << 10
"""The most parts of a whole answer, to read which takes some milliseconds: the fields of 500
talkative models."""
_PARTS_OF_OBJECT = 16
"""An object takes as long to read as so many other parts."""


class InOnePiece(ABC, Generic[A_contra]):
    """A dialect without a stream. Its errors and its headers are the provider's in general, and
    so those of its chat dialect."""

    max_parts = MAX_PARTS
    """What is known to take longer may have fewer."""

    def __init__(self, general: Dialect[Any]) -> None:
        self.general = general
        """What says what errors and headers mean."""

    @abstractmethod
    def request(self, call: Call[A_contra]) -> HttpRequest:
        """The request for a call."""

    @abstractmethod
    def events(self, body: bytearray) -> Iterable[Event]:
        """What a whole body means, which has at most ``max_parts``. It is not copied: two megabytes
        take more than a millisecond.

        :raises ProtocolError: it is not of the provider's format.
        """

    def decoder(self) -> Decoder:
        return _WholeDecoder(self)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return self.general.failure(head, body)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return self.general.header_facts(head)


class _WholeDecoder:
    """Bounds what it takes to read the body, while that comes: nothing can be read in part."""

    def __init__(self, dialect: InOnePiece[Any]) -> None:
        self._dialect = dialect
        self._body = bytearray()
        self._parts = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        self._parts += parts_of(data) + data.count(b"{") * (_PARTS_OF_OBJECT - 1)
        self._parts += data.count(b"\\")  # escapes take long to read too
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
    """The key as most providers want it."""
    return {"authorization": f"Bearer {call.api_key}"} if call.api_key else {}
