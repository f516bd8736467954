"""Server-sent events, parsed as in section 9.2.6 of the WHATWG HTML standard."""

from __future__ import annotations

import re
from dataclasses import dataclass

from exporter.providers.framing.lines import Lines, check_size

_ERROR = re.compile(rb"\s*+\[?error\b", re.IGNORECASE)
_PLAIN = re.compile(rb"(?:event: ([a-z_.]+)\n)?data: (.*+)\n(\n?)")
"""An event with one line of data, and maybe a name. It may lack its last byte."""
_STATUS = re.compile(rb"(?::HTTP_STATUS/|status: ?)([1-5]\d\d)")


@dataclass(slots=True)
class ServerSentEvent:
    """One dispatched event. ``event`` is empty if the server sent no name.

    It isn't frozen, because there is one per token and a frozen dataclass takes three times as long
    to create.
    """

    event: str
    data: bytes
    status: int | None = None
    """The HTTP status of this event alone. Alibaba's servers send it in a comment
    (``:HTTP_STATUS/429``) or in a separate field (``status:429``)."""
    is_bare: bool = False
    """Whether this is a JSON text between the events, and not an event."""

    @property
    def plain(self) -> bytes | None:
        """The plainest bytes that mean this event; ``None`` if it isn't a plain one."""
        if self.status is not None or self.is_bare or b"\n" in self.data:
            return None
        name = b"event: %b\n" % self.event.encode() if self.event else b""
        return b"%bdata: %b\n\n" % (name, self.data)

    @property
    def is_ours(self) -> bool:
        """Whether this event can be part of an answer.

        Servers keep a stream alive with events of other names, whose data isn't necessarily JSON
        (``event: ping``, ``data: ok``).
        """
        named = self.event.lower() not in ("", "message", "data", "result", "chunk")
        return not named or self.data.lstrip()[:1] in (b"{", b"[")

    @property
    def is_error_in_words(self) -> bool:
        """Whether this event reports an error as plain text, and not as JSON."""
        if self.data.lstrip()[:1] in (b"{", b"["):
            return bool(_ERROR.match(self.data)) and not self.data.rstrip().endswith(b"}")
        return self.event == "error" or bool(_ERROR.match(self.data))


class SseDecoder:
    """Splits a byte stream, received in arbitrary chunks, into events.

    Line ends can be LF, CRLF, or CR. Lines that start with a colon are comments. The fields ``id``
    and ``retry`` are ignored, because they only serve clients that reconnect.
    """

    __slots__ = (
        "_at_start",
        "_data",
        "_event",
        "_held",
        "_is_between_events",
        "_lines",
        "_size",
        "_status",
    )

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []
        self._event = ""
        self._status: int | None = None
        self._size = 0
        self._at_start = True
        self._held = b""
        """An event that lacks only the last byte of its end."""
        self._is_between_events = False
        """Whether nothing is pending that belongs to the next event."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that these bytes complete.

        :raises ProtocolError: an event is longer than ``MAX_BYTES``. The reason is ``too_large``.
        """
        if self._is_between_events and (whole := self._plain(chunk)) is not None:
            return whole
        chunk, self._held = self._held + chunk, b""
        self._is_between_events = False
        lines = self._lines.feed(chunk)
        events = [event for line in lines if (event := self._take(line)) is not None]
        check_size(self._lines.pending_bytes + self._size, "event")
        self._is_between_events = not self._has_pending()
        return events

    @property
    def is_between_events(self) -> bool:
        """Whether nothing is pending that belongs to the next event."""
        return self._is_between_events and not self._held

    def finish(self) -> list[ServerSentEvent]:
        """Return the events that the end of the body completes. Some servers omit the last empty
        line."""
        return self.feed(b"\n\n")

    def _plain(self, chunk: bytes) -> list[ServerSentEvent] | None:
        """Return the event if these bytes are exactly one in the plainest form; ``None`` for
        anything else. Most reads are such an event.

        Of a late read, the last byte comes by itself. The bytes before wait for it.
        """
        if self._held:
            chunk = self._held + chunk
        plain = _PLAIN.fullmatch(chunk)
        if plain is None:
            return None
        name, data, end = plain.groups()
        if not data.strip() or b"\r" in data:
            return None
        if not end:
            self._held = chunk
            return []
        self._held = b""
        return [ServerSentEvent(name.decode() if name else "", data)]

    def _has_pending(self) -> bool:
        """Whether anything is pending that belongs to the next event."""
        pending = self._data or self._event or self._status or self._lines.pending_bytes
        return bool(pending or self._at_start)

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._at_start:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(line)
        elif name == b"error":  # llama.cpp in 2025: ``error: {...}`` instead of ``data: {...}``
            self._data.append(value)
            self._size += len(line)
            self._event = "error"
        elif name == b"event":
            self._event = value.decode("utf-8", errors="replace")
        elif status := _STATUS.fullmatch(line):
            self._status = int(status[1])
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data, event, status = self._data, self._event, self._status
        self._data, self._event, self._status, self._size = [], "", None, 0
        text = b"\n".join(data)
        # An event without data only keeps the stream alive, whatever its name.
        heard = text.strip() or (data and event == "error")
        return ServerSentEvent(event, text, status) if heard else None
