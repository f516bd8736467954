"""How a body is cut into messages: server-sent events, NDJSON, binary event streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from exporter.providers.base import Event, Failed, ProtocolError

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


def _nothing() -> Iterable[Event]:
    return ()


class FramedDecoder(Generic[Message]):
    """A decoder made of a framing, which finds the messages, and of a function that says what
    each of them means.

    ``at_end`` tells what the end of the body means, for providers who end their stream so.
    """

    def __init__(
        self,
        framing: Framing[Message],
        interpret: Callable[[Message], Iterable[Event]],
        at_end: Callable[[], Iterable[Event]] = _nothing,
    ) -> None:
        self._framing = framing
        self._interpret = interpret
        self._at_end = at_end

    def feed(self, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for message in self._framing.feed(data):
                events += self._interpret(message)
        except ProtocolError:
            # A stream that had told how it failed has said more than the way it broke off.
            if not any(isinstance(event, Failed) for event in events):
                raise
        return events

    def finish(self) -> Sequence[Event]:
        try:
            messages = self._framing.finish()
            events = [event for message in messages for event in self._interpret(message)]
        except ProtocolError:
            return []  # cut off inside a message: the end marker that is missing says it all
        return [*events, *self._at_end()]
