"""How long the head of a response may be: its status line and headers."""

from __future__ import annotations

import httpx

MAX_HEADERS = 256
"""Each header costs time. Servers are content with some dozens, Python's own client with 100."""
_MAX_LINES = 2 * MAX_HEADERS
MAX_BYTES = 24 << 10
"""Of a head, of trailers, of the line before a chunk. Behind nginx, by its default settings, no
more than 8 kB get through."""


class TooManyHeaders(httpx.RemoteProtocolError):
    """A response has more headers than anybody needs."""


class HeadGuard:
    """Counts the lines of a head before anybody reads it: h11 takes them apart all at once."""

    def __init__(self) -> None:
        self._lines = 0

    def check(self, data: bytes) -> None:
        """Take note of what was read. An empty line ends a head; what follows it in the same read
        may be the body.

        :raises TooManyHeaders: it has too many lines.
        """
        if b"\n\r\n" in data or b"\n\n" in data:
            self._lines = 0
            return
        self._lines += data.count(b"\n")
        if self._lines > _MAX_LINES:
            raise TooManyHeaders(f"the response has more than {MAX_HEADERS} headers")
