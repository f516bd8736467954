"""The kernel's receive times (``SO_TIMESTAMPNS``, socket(7))."""

from __future__ import annotations

import contextlib
import socket
import sys

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; not in Python's socket module


def stamp_arrivals(sock: socket.socket) -> None:
    """Ask the kernel to stamp what this socket receives; a kernel that cannot is left alone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class KeptStamps:
    """Keeps the kernel stamping from now on until it is closed.

    The kernel begins to stamp when the first socket asks for it, a moment later, and ends with the
    last (net_enable_timestamp in net/core/dev.c). So the first bytes of a probe that is alone would
    have no stamp. This one socket, which nothing is ever sent to, asks before any probe does.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(
            OSError
        ):  # without IPv4, or a descriptor, probes ask by themselves
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stamp_arrivals(self._socket)

    def close(self) -> None:
        """Leave it to others to ask."""
        if self._socket:
            self._socket.close()
