"""Server-sent events that may be mixed with bare JSON texts.

Google's servers can end a stream with an error that isn't an event, but a pretty-printed JSON text.
Other servers write one after a keep-alive comment.
"""

from __future__ import annotations

import re

from exporter.providers.base import ProtocolError
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder
from exporter.result import FailureReason

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]')
_MAX_BYTES = 128 << 10
"""The size limit of a bare JSON text. No error is that long."""
_MAX_TOKENS = 8192
"""The most strings and brackets in a bare JSON text. Each takes a third of a microsecond."""


class SseOrJsonDecoder(SseDecoder):
    """Treats a bare JSON text as the data of an event.

    A line that starts with a bracket opens such a text, because no field name starts with one. The
    text is complete when its brackets are balanced.
    """

    __slots__ = ("_depth", "_text", "_tokens")

    def __init__(self) -> None:
        super().__init__()
        self._text: list[bytes] = []
        self._depth = self._tokens = 0

    def _has_pending(self) -> bool:
        return super()._has_pending() or bool(self._text)

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._text or line.startswith((b"{", b"[")):
            return self._take_bare(line)
        return super()._take(line)

    def _take_bare(self, line: bytes) -> ServerSentEvent | None:
        self._text.append(line)
        self._size += len(line)
        if self._size > _MAX_BYTES:
            what = f"a JSON text that is no event is longer than {_MAX_BYTES} bytes"
            raise ProtocolError(what, FailureReason.TOO_LARGE)
        for found in _STRING_OR_BRACKET.finditer(line):
            token = line[found.start()]
            self._depth += (token in b"{[") - (token in b"}]")
            self._tokens += 1
            if self._tokens > _MAX_TOKENS:
                raise ProtocolError(
                    f"a JSON text that is no event has more than {_MAX_TOKENS} texts and brackets"
                )
        if self._depth > 0:
            return None
        event = ServerSentEvent("", b"\n".join(self._text), is_bare=True)
        self._text, self._depth, self._tokens, self._size = [], 0, 0, 0
        return event
