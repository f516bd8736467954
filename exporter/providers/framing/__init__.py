"""How a body is cut into messages: server-sent events, NDJSON, binary event streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from exporter.providers.base import Ended, Event, Failed, Finished, Output, ProtocolError

M_co = TypeVar("M_co", covariant=True)
Message = TypeVar("Message")


class Framing(Protocol[M_co]):
    """Cuts bytes, split anywhere, into messages."""

    def feed(self, chunk: bytes) -> Sequence[M_co]:
        """The messages that these bytes complete.

        :raises ProtocolError: the bytes break the framing.
        """
        ...

    def finish(self) -> Sequence[M_co]:
        """The messages that the end of the body completes."""
        ...


class FramedDecoder(Generic[Message]):
    """A decoder made of a framing, which finds the messages, and of a function that says what
    each of them means.

    A finish reason and the end of a whole HTTP message are an end (``transformers serve`` and
    Perplexity send no other), unless a message of the stream was cut off in between.
    """

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
            # A stream that had told how it failed has said more than the way it broke off.
            if not any(isinstance(event, Failed) for event in events):
                raise
        self._note(events)
        return events

    def finish(self, *, whole: bool = True) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for message in self._framing.finish():
                events += self._interpret(message)
        except ProtocolError:
            return events  # cut off inside a message: the end that is missing says it all
        self._note(events)
        if whole and self._stopped and not self._ended:
            return [*events, Ended()]
        return events

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Output():
                    pass  # nearly all of them
                case Finished() | Failed(is_ending=True):
                    self._stopped = True
                case Ended():
                    self._ended = True
