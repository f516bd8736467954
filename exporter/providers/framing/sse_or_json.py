"""Server-sent events, among which a bare JSON text may stand: Google's servers can end a stream
with an error that is no event, but pretty-printed over several lines."""

from __future__ import annotations

import re

from exporter.providers.framing.lines import Lines, check_size
from exporter.providers.framing.sse import SseLines

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]')


class SseOrJsonDecoder:
    """Cuts bytes, split anywhere, into JSON texts: the data of the events, and those that are
    bare. No field of an event starts with a bracket, so a line that does is JSON."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._events = SseLines()
        self._bare = _BareJson()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The JSON texts that these bytes complete.

        :raises ProtocolError: ``too_large``, one of them is longer than ``MAX_BYTES``.
        """
        texts = [text for line in self._lines.feed(chunk) if (text := self._take(line)) is not None]
        gathered = self._events.pending_bytes + self._bare.pending_bytes
        check_size(self._lines.pending_bytes + gathered, "event")
        return texts

    def finish(self) -> list[bytes]:
        """What the end of the body completes: the last empty line may be missing."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes) -> bytes | None:
        if self._bare.pending_bytes or line.startswith((b"{", b"[")):
            return self._bare.take(line)
        event = self._events.take(line)
        return event.data if event else None


class _BareJson:
    """Gathers lines until their brackets are balanced."""

    def __init__(self) -> None:
        self._text: list[bytes] = []
        self._depth = 0
        self.pending_bytes = 0

    def take(self, line: bytes) -> bytes | None:
        """The JSON text that this line completes."""
        self._text.append(line)
        self.pending_bytes += len(line)
        for token in _STRING_OR_BRACKET.findall(line):
            self._depth += (token in b"{[") - (token in b"}]")
        if self._depth > 0:
            return None
        text = b"\n".join(self._text)
        self._text, self._depth, self.pending_bytes = [], 0, 0
        return text
