"""Framings, which split a body into messages: server-sent events, NDJSON, binary event streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from exporter.providers.base import Ended, Event, Failed, Finished, Output, ProtocolError

M_co = TypeVar("M_co", covariant=True)
Message = TypeVar("Message")


class Framing(Protocol[M_co]):
    """Splits a byte stream, received in arbitrary chunks, into messages."""

    def feed(self, chunk: bytes) -> Sequence[M_co]:
        """Return the messages that these bytes complete.

        :raises ProtocolError: the bytes violate the framing.
        """
        ...

    def finish(self) -> Sequence[M_co]:
        """Return the messages that the end of the body completes."""
        ...


class FramedDecoder(Generic[Message]):
    """A decoder that consists of a framing and a function that interprets each message.

    A finish reason and a complete HTTP message also end the stream, unless the last message was cut
    off. ``transformers serve`` and Perplexity send no other end marker.
    """

    __slots__ = ("_ended", "_framing", "_interpret", "_stopped")

    def __init__(
        self, framing: Framing[Message], interpret: Callable[[Message], Iterable[Event]]
    ) -> None:
        self._framing = framing
        self._interpret = interpret
        self._stopped = self._ended = False

    def feed(self, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for message in self._framing.feed(data):
                events += self._interpret(message)
        except ProtocolError:
            # The error that the stream has reported is more exact than the way it broke off.
            if not any(isinstance(event, Failed) for event in events):
                raise
        if events:
            self._note(events)
        return events

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for message in self._framing.finish():
                events += self._interpret(message)
        except ProtocolError:
            return events  # cut off inside a message; the missing end marker makes it a failure
        self._note(events)
        if whole and self._stopped and not self._ended:
            return [*events, Ended()]
        return events

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Output():
                    pass  # nearly all events
                case Finished() | Failed(is_ending=True):
                    self._stopped = True
                case Ended():
                    self._ended = True
