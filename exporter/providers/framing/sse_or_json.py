"""Server-sent events, among which a bare JSON text may stand: Google's servers can end a stream
with an error that is no event, but pretty-printed over several lines, and others write one behind
a comment that kept the connection alive."""

from __future__ import annotations

import re

from exporter.providers.framing.sse import ServerSentEvent, SseDecoder

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]')


class SseOrJsonDecoder(SseDecoder):
    """Takes a bare JSON text for the data of an event. No field's name starts with a bracket, so
    a line that does opens such a text; it is whole when its brackets are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self._text: list[bytes] = []
        self._depth = 0

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._text or line.startswith((b"{", b"[")):
            return self._take_bare(line)
        return super()._take(line)

    def _take_bare(self, line: bytes) -> ServerSentEvent | None:
        self._text.append(line)
        self._size += len(line)
        for token in _STRING_OR_BRACKET.findall(line):
            self._depth += (token in b"{[") - (token in b"}]")
        if self._depth > 0:
            return None
        event = ServerSentEvent("", b"\n".join(self._text), is_bare=True)
        self._text, self._depth, self._size = [], 0, 0
        return event
