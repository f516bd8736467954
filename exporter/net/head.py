"""How long the head of a response may be: its status line and headers, and the trailers."""

from __future__ import annotations

import httpcore

MAX_HEADERS = 256
"""Each header costs time. Servers are content with some dozens, Python's own client with 100."""
_MAX_LINES = 2 * MAX_HEADERS
_MAX_BYTES = 24 << 10
"""Behind nginx, by its default settings, no more than 8 kB get through."""

# Of a head, of trailers, of the line before a chunk. Its own 100 kB would take 40 ms to read.
httpcore.AsyncHTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE = _MAX_BYTES


class TooManyHeaders(httpcore.RemoteProtocolError):
    """A response has more headers than anybody needs."""


class HeadGuard:
    """Counts the lines of a head before anybody reads it: h11 takes them apart all at once."""

    def __init__(self) -> None:
        self._is_body = False
        self._counts = True
        self._lines = 0

    def body_begins(self) -> None:
        """The head is whole; from now on only trailers count, which begin with a line ``0``."""
        self._is_body, self._counts, self._lines = True, False, 0

    def check(self, data: bytes) -> None:
        """Take note of what was read. An empty line ends whatever is counted; what follows it in
        the same read may be the body.

        :raises TooManyHeaders: it has too many lines.
        """
        at = max(data.rfind(b"\n\r\n"), data.rfind(b"\n\n")) + 1
        if at:
            self._counts, self._lines = not self._is_body, 0
        elif self._counts:
            self._lines += data.count(b"\n")
        if not self._counts:
            zero = 0 if data.startswith(b"0\r\n") else data.find(b"\r\n0\r\n", at)
            if zero >= at:
                self._counts, self._lines = True, data.count(b"\n", zero)
        if self._lines > _MAX_LINES:
            raise TooManyHeaders(f"the response has more than {MAX_HEADERS} headers")
