"""A shortcut for messages that differ only in their output text.

Nearly all messages of a stream have the same fields with the same values, and another piece of the
answer. After one of them is parsed, the others don't need to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporter.providers.base import Event, Output
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder

_MAX_BYTES = 4096
"""A longer message is parsed, which limits the number of its parts."""
_NOT_AS_IT_IS = re.compile(rb'["\\\x00-\x1f]')
"""Bytes that a JSON string can't contain unescaped (RFC 8259 section 7)."""


class Alike:
    """Reads messages that match the last parsed message, if that message meant only output.

    Why the result is the same as with a parser: in the parsed message, the output text appeared
    exactly once, as a JSON string. The message contained no backslash, so every string in it was
    unescaped, and the string that was found is the one that became the output. A matching message
    has the same bytes before and after that string, and one JSON string in between. Every parser
    therefore finds the same values in the same places, except for this one.
    """

    __slots__ = ("_after", "_before", "_end", "_first", "_start")

    def __init__(self) -> None:
        self._first: Output | None = None
        self._before = self._after = b""
        self._start = self._end = 0
        """The number of bytes before and after the text."""

    def learn(self, message: bytes, events: Sequence[Event]) -> None:
        """Remember a parsed message and the events that it meant."""
        self._first = None
        if len(events) != 1 or not isinstance(output := events[0], Output):
            return
        if output.is_summary or output.call or b"\\" in message:
            return
        text = b'"%s"' % output.text.encode(errors="surrogatepass")
        at = message.find(text)
        # The second one may begin with the quotation mark that ends the first.
        if at < 0 or message.find(text, at + 1) >= 0:
            return
        before, after = message[:at], message[at + len(text) :]
        self._first, self._before, self._after = output, before + b'"', b'"' + after
        self._start, self._end = len(self._before), len(self._after)

    def output(self, message: bytes) -> Output | None:
        """Return the output if it is all that the message means, or ``None`` if you must parse the
        message."""
        first, size = self._first, len(message)
        if (
            first is None
            or not self._start + self._end < size <= _MAX_BYTES
            or not message.startswith(self._before)
            or not message.endswith(self._after)
        ):
            return None
        text = message[self._start : size - self._end]
        if _NOT_AS_IT_IS.search(text):
            return None
        try:
            return Output(first.kind, text.decode())
        except UnicodeDecodeError:
            return None


class _Meanings:
    """What each message means, read or parsed.

    It doesn't refer to its decoder. Such a cycle would wait for the garbage collector.
    """

    __slots__ = ("_parse", "alike")

    def __init__(self, parse: Callable[[ServerSentEvent], Iterable[Event]]) -> None:
        self._parse = parse
        self.alike = Alike()

    def of(self, message: ServerSentEvent) -> Iterable[Event]:
        if (plain := message.plain) is None:
            self.alike.learn(b"", ())
            return self._parse(message)
        if output := self.alike.output(plain):
            return (output,)
        return self._parsed(message, plain)

    def _parsed(self, message: ServerSentEvent, plain: bytes) -> Iterator[Event]:
        events: list[Event] = []
        for event in self._parse(message):
            events.append(event)
            yield event
        self.alike.learn(plain, events)


class AlikeDecoder(FramedDecoder[ServerSentEvent]):
    """Decodes one stream, and parses only the messages that aren't like the last parsed one.

    Use this for dialects in which the meaning of an output-only message changes only after a
    message that means something else. It gains nothing where every message has a number or a time
    of its own.

    Nearly every read is one message in its plainest form. If it is like the last one, it isn't
    even framed: it leaves the framing as it was, between two messages.
    """

    __slots__ = ("_alike", "_sse")

    def __init__(
        self, framing: SseDecoder, parse: Callable[[ServerSentEvent], Iterable[Event]]
    ) -> None:
        meanings = _Meanings(parse)
        super().__init__(framing, meanings.of)
        self._sse, self._alike = framing, meanings.alike

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._sse.is_between_events and (output := self._alike.output(data)):
            return (output,)
        return super().feed(data)
