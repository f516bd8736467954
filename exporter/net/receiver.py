"""Reads of a socket, one segment at a time where the kernel tells them apart.

The kernel's stamp of a read belongs to its last segment. The kernel also counts the segments and
the bytes of a connection (``tcpi_data_segs_in`` and ``tcpi_bytes_received`` of ``TCP_INFO``,
tcp(7)). If a read brought exactly one segment, the stamp belongs to all of its bytes, however late
the read was. If several wait, peeking at the end of each message tells which messages have a stamp
of their own, unless the kernel has merged the segments.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import time
from typing import NamedTuple

from exporter.net.kernel_clock import Arrival, arrival_at
from exporter.process.stamps import SO_TIMESTAMPNS, TIMESPEC, stamp_in

_ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size) if hasattr(socket, "CMSG_SPACE") else 0
_COUNTS = struct.Struct("@128xQ16xI68xI")
"""``tcpi_bytes_received``, ``tcpi_data_segs_in``, and ``tcpi_rcv_ooopack`` in ``struct tcp_info``
(linux/tcp.h). The last one exists since Linux 5.4."""
_DISORDER_NS = 1_000_000_000
"""For how long stamps aren't trusted after a segment overtook another one. It waits for the other
one in the kernel, and keeps its stamp."""
_SOON_NS = 100_000
"""A read this soon after the socket was empty needs no closer look."""
_MOST_MESSAGES = 8
"""The most messages to peek at, for 2 to 10 us each. An answer ends with up to five: the last
token, the finish reason, the usage, the end marker, and the end of the body."""
_MESSAGE_END = re.compile(rb"\n\r?\n(?:\r\n)?")
"""A blank line ends an event; a line end ends the HTTP chunk around it."""
_TLS_HEAD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04](..)", re.DOTALL)
"""The type, the version, and the length of a TLS record (RFC 8446, section 5.1)."""


class _Counts(NamedTuple):
    """What the kernel counted on a connection."""

    size: int
    """The bytes that arrived and can be, or could be, read. The end of the stream counts as one."""
    segments: int
    """The segments with data that arrived."""
    disordered: int
    """Those of them that arrived before an earlier one."""


class _Segment(NamedTuple):
    size: int
    stamp: int
    """Wall-clock nanoseconds."""


class Receiver:
    """Reads a socket without waiting, and tells when the bytes arrived.

    :param sock: a non-blocking socket.
    :param is_watched: whether the caller updates ``empty_at`` while it waits. If not, nothing is
        known about how long bytes may have waited.
    """

    __slots__ = (
        "_asked",
        "_counts",
        "_disordered",
        "_is_watched",
        "_sock",
        "_trusted_from",
        "_waiting",
        "empty_at",
    )

    def __init__(self, sock: socket.socket, *, is_watched: bool = True) -> None:
        self._sock = sock
        self._is_watched = is_watched
        self._counts = _counts(sock)
        """The counts when the socket was last empty; ``None`` if they aren't known."""
        self._disordered = 0
        self._trusted_from = 0
        """From when on stamps are trusted; monotonic nanoseconds."""
        self._waiting: list[_Segment] = []
        """The segments in the socket, the first one last; empty if they aren't known."""
        self._asked = time.monotonic_ns()
        self.empty_at = self._asked
        """What will be read next came after this; monotonic nanoseconds."""

    @property
    def has_waiting(self) -> bool:
        """Whether more segments are known to wait in the socket."""
        return bool(self._waiting)

    def receive(self, max_bytes: int) -> tuple[bytes, Arrival]:
        """Read, and return the bytes and when they arrived. If it returns ``max_bytes``, or if
        ``has_waiting`` is true, there may be more to read.

        :raises BlockingIOError: there is nothing to read yet.
        :raises OSError: the connection broke.
        """
        if self._waiting:
            return self._read_segment()
        self._asked = time.monotonic_ns()
        there = self._counted()
        if self._asked - self.empty_at > _SOON_NS:
            self._waiting = self._tell_apart(there, max_bytes)
        return self._read_segment() if self._waiting else self._read_all(there, max_bytes)

    def _read_segment(self) -> tuple[bytes, Arrival]:
        segment = self._waiting.pop()
        data = self._sock.recv(segment.size)
        arrival = arrival_at(segment.stamp, self._known_empty_at, is_one_segment=True)
        if not self._waiting:
            self.empty_at = self._asked
        return data, arrival

    def _read_all(self, there: _Counts | None, max_bytes: int) -> tuple[bytes, Arrival]:
        """Read.

        :param there: the counts just before.
        """
        data, stamp = _receive(self._sock, max_bytes)
        is_all = len(data) < max_bytes
        is_one = self._is_one_segment(there, len(data), is_all=is_all)
        if self._asked < self._trusted_from:
            stamp = None
        arrival = arrival_at(stamp, self._known_empty_at, is_one_segment=is_one)
        if is_all:
            self.empty_at = self._asked
        return data, arrival

    @property
    def _known_empty_at(self) -> int | None:
        return self.empty_at if self._is_watched else None

    def _is_one_segment(self, there: _Counts | None, size: int, *, is_all: bool) -> bool:
        """Whether a read of this size brought exactly one segment. Keeps the counts after it."""
        before = self._counts
        if before and there and there.size - before.size == size:
            self._counts = there  # it brought what had been there, and nothing since then
            return there.segments == before.segments + 1
        now, self._counts = self._counted(), None
        if now is None:
            return False
        is_one = before is not None and now.segments == before.segments + 1
        # A segment may have arrived after the read, and before it was counted.
        if is_all and (is_one or not _has_bytes(self._sock)):
            self._counts = now
        return is_one

    def _counted(self) -> _Counts | None:
        now = _counts(self._sock)
        if now and now.disordered != self._disordered:
            self._disordered = now.disordered
            self._trusted_from = time.monotonic_ns() + _DISORDER_NS
        return now

    def _tell_apart(self, there: _Counts | None, max_bytes: int) -> list[_Segment]:
        """The segments in the socket, the first one last. Returns none unless the kernel still
        keeps each by itself, and there are few.

        :param there: the present counts.
        """
        before = self._counts
        if before is None or there is None:
            return []
        number = there.segments - before.segments
        if not 2 <= number <= _MOST_MESSAGES or self._asked < self._trusted_from:
            return []
        found = _peeked(self._sock, max_bytes)
        if len(found) != number or _counts(self._sock) != there:
            return []
        self._counts = there
        return found[::-1]


def _peeked(sock: socket.socket, max_bytes: int) -> list[_Segment]:
    """The segments in the socket, as far as their stamps and the messages' ends tell; none if
    there is too much to read."""
    content, _ = _receive(sock, max_bytes, socket.MSG_PEEK)
    ends = _message_ends(content) if len(content) < max_bytes else []
    if not 0 < len(ends) <= _MOST_MESSAGES:
        return []
    found: list[_Segment] = []
    begin = 0
    stamps = [_stamp_at(sock, end) for end in ends]
    for end, stamp, following in zip(ends, stamps, [*stamps[1:], None], strict=True):
        if stamp is None or (following is not None and _stamp_at(sock, end + 1) != following):
            return []  # a segment doesn't begin or end with a message
        if stamp != following:
            found.append(_Segment(end - begin, stamp))
            begin = end
    return found


def _message_ends(content: bytes) -> list[int]:
    """Where messages may end, and segments with them. The end of the content is the last one."""
    ends: list[int] = []
    if _TLS_HEAD.match(content):
        while record := _TLS_HEAD.match(content, ends[-1] if ends else 0):
            ends.append(record.end() + int.from_bytes(record[1]))
    else:
        ends = [end.end() for end in _MESSAGE_END.finditer(content)]
    return [end for end in ends if end < len(content)] + [len(content)] * bool(content)


def _stamp_at(sock: socket.socket, length: int) -> int | None:
    """The stamp of the last of this many bytes."""
    return _receive(sock, length, socket.MSG_PEEK)[1]


def _receive(sock: socket.socket, max_bytes: int, flags: int = 0) -> tuple[bytes, int | None]:
    """Bytes, and the kernel's stamp of the last of them, wall-clock nanoseconds."""
    if not _ANCILLARY_BYTES:
        return sock.recv(max_bytes, flags), None
    data, ancillary, _, _ = sock.recvmsg(max_bytes, _ANCILLARY_BYTES, flags)
    return data, stamp_in(ancillary, SO_TIMESTAMPNS)


def _counts(sock: socket.socket) -> _Counts | None:
    """What the kernel counted; ``None`` if it doesn't tell."""
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS.size)
    except OSError:
        return None
    return _Counts(*_COUNTS.unpack(info)) if len(info) == _COUNTS.size else None


def _has_bytes(sock: socket.socket) -> bool:
    """Whether there is something to read."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
