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
from exporter.result import Failure, FailureReason

MAX_BYTES = 4 << 20
"""More would take long to read: a list of a thousand models has about one."""


class InOnePiece(ABC, Generic[A_contra]):
    """A dialect without a stream. Its errors and its headers are the provider's in general, and
    so those of its chat dialect."""

    def __init__(self, general: Dialect[Any]) -> None:
        self._general = general

    @abstractmethod
    def request(self, call: Call[A_contra]) -> HttpRequest:
        """The request for a call."""

    @abstractmethod
    def events(self, body: bytes) -> Iterable[Event]:
        """What a whole body means.

        :raises ProtocolError: it is not of the provider's format.
        """

    def decoder(self) -> Decoder:
        return _WholeDecoder(self)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return self._general.failure(head, body)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return self._general.header_facts(head)


class _WholeDecoder:
    def __init__(self, dialect: InOnePiece[Any]) -> None:
        self._dialect = dialect
        self._body = bytearray()

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        if len(self._body) > MAX_BYTES:
            what = f"the response is longer than {MAX_BYTES} bytes"
            raise ProtocolError(what, FailureReason.TOO_LARGE)
        return ()

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        return [*self._dialect.events(bytes(self._body)), Ended()]


def bearer(call: Call[Any]) -> dict[str, str]:
    """The key as most providers want it."""
    return {"authorization": f"Bearer {call.api_key}"} if call.api_key else {}
