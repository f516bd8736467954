"""How long the head of a response may be: its status line and headers."""

from __future__ import annotations

import httpx

MAX_HEADERS = 256
"""Each header costs time. Servers send a few dozen, and Python's own client accepts 100."""
_MAX_LINES = 2 * MAX_HEADERS
MAX_BYTES = 24 << 10
"""The limit for a head, for trailers, and for the line before a chunk. With its default settings,
nginx lets no more than 8 kB through."""


class TooManyHeaders(httpx.RemoteProtocolError):
    """A response has more than ``MAX_HEADERS`` headers."""


class HeadGuard:
    """Counts the lines of a head before h11 parses them, which it does all at once."""

    def __init__(self) -> None:
        self._lines = 0

    def check(self, data: bytes) -> None:
        """Count the lines in what was read. An empty line ends a head. What follows it in the same
        read may be the body.

        :raises TooManyHeaders: it has too many lines.
        """
        if b"\n\r\n" in data or b"\n\n" in data:
            self._lines = 0
            return
        self._lines += data.count(b"\n")
        if self._lines > _MAX_LINES:
            raise TooManyHeaders(f"the response has more than {MAX_HEADERS} headers")
