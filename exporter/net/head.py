"""The head of a response: its status line and headers."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

MAX_HEADERS = 256
"""Each header costs time. Servers send a few dozen, and Python's own client accepts 100."""
_MAX_LINES = 2 * MAX_HEADERS
MAX_BYTES = 24 << 10
"""The limit for a head, for trailers, and for the line before a chunk. With its default settings,
nginx lets no more than 8 kB through."""
_PLAIN = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2}) ([!-~ ]*+)\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++: [!-~]++(?: [!-~]++)*+\r\n)*+)\r\n"
)
_FRAMING = {
    b"content-length": re.compile(rb"[0-9]{1,15}"),
    b"transfer-encoding": re.compile(rb"chunked"),
}


class Head(NamedTuple):
    """The status line and the headers of a response."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]


def plain_head(data: bytes) -> tuple[Head, bytes] | None:
    """Return the head that these bytes begin with, and the bytes after it, if the head is whole,
    in the plainest form, and leaves no doubt about where the body ends. h11 must read any other.

    Nearly all heads are plain. h11 takes ten times as long, with the same result.
    """
    found = _PLAIN.match(data)
    if found is None:
        return None
    status, reason, lines = found.groups()
    headers = [
        (name, value)
        for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    ]
    framing = [(name.lower(), value) for name, value in headers if name.lower() in _FRAMING]
    if len(framing) > 1 or not all(_FRAMING[name].fullmatch(value) for name, value in framing):
        return None
    return Head(int(status), reason.decode(), headers), data[found.end() :]


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
