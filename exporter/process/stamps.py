"""The kernel's timestamps: of what arrives (``SO_TIMESTAMPNS``, socket(7)), and of what is sent
(``SO_TIMESTAMPING``, Documentation/networking/timestamping.rst)."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterable

SO_TIMESTAMPNS, SO_TIMESTAMPING = 35, 37  # asm-generic/socket.h; not in Python's socket module
TIMESPEC = struct.Struct("@ll")


def stamp_in(ancillary: Iterable[tuple[int, int, bytes]], kind: int) -> int | None:
    """Return the stamp of this kind among what ``recvmsg`` returned, in wall-clock nanoseconds. Of
    several times in one message, the first is the kernel's own."""
    for level, its_kind, value in ancillary:
        if (level, its_kind) == (socket.SOL_SOCKET, kind) and len(value) >= TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack_from(value)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None


def stamp_arrivals(sock: socket.socket) -> None:
    """Ask the kernel for receive timestamps on this socket, if it supports them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class KeptStamps:
    """Keeps receive timestamps on in the kernel until it is closed.

    The kernel starts to take timestamps shortly after the first socket asks for them, and stops
    with the last one (net_enable_timestamp in net/core/dev.c). So the first bytes of a single
    probe would have no timestamp. This socket, which never receives anything, asks before any
    probe does.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(
            OSError
        ):  # without IPv4 or a free descriptor, the sockets of probes ask on their own
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stamp_arrivals(self._socket)

    def close(self) -> None:
        """Stop asking; the sockets of probes still do."""
        if self._socket:
            self._socket.close()
