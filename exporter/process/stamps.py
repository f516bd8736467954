"""The kernel's receive timestamps (``SO_TIMESTAMPNS``, socket(7))."""

from __future__ import annotations

import contextlib
import socket
import sys

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; not in Python's socket module


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
