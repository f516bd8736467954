"""Sends, with the time at which the kernel passed the bytes on.

``send`` may return late: it wakes the peer, and another process can get the processor before this
one has it back. The kernel stamps the last byte of each send when it passes it to the network
device (``SO_TIMESTAMPING``, Documentation/networking/timestamping.rst). It keeps the stamps in the
socket's error queue, where they must not stay: poll reports a socket with such a queue again and
again.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import NamedTuple

from exporter.net.kernel_clock import on_monotonic_clock
from exporter.process.stamps import SO_TIMESTAMPING, stamp_in

_FLAGS = 1 << 1 | 1 << 4 | 1 << 11
"""``SOF_TIMESTAMPING_TX_SOFTWARE``, ``_SOFTWARE``, and ``_OPT_TSONLY`` of
linux/net_tstamp.h: stamp what is sent, report the stamps, and don't return the bytes with them."""
_ANCILLARY_BYTES = 256
_MOST_STAMPS = 16


class Sent(NamedTuple):
    """One send. Monotonic nanoseconds."""

    accepted: int
    """The number of bytes that the kernel took."""
    began: int
    at: int
    uncertainty: int
    """How much earlier that may have been."""


class Sender:
    """Sends without waiting, and tells when the kernel did."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._has_stamps = False
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, _FLAGS)
                self._has_stamps = True

    def send(self, data: memoryview) -> Sent:
        """Hand bytes to the kernel.

        :raises BlockingIOError: it accepts none at the moment.
        :raises OSError: the connection broke.
        """
        began = time.monotonic_ns()
        count = self._sock.send(data)
        ended = time.monotonic_ns()
        if stamp := self.take_stamp():
            at, doubt = on_monotonic_clock(stamp)
            if began <= at <= ended:
                return Sent(count, began, at, doubt)
        return Sent(count, began, ended, ended - began)

    def take_stamp(self) -> int | None:
        """Empty the error queue. Returns the latest stamp, wall-clock nanoseconds."""
        latest = None
        if self._has_stamps:
            with contextlib.suppress(BlockingIOError):
                for _ in range(_MOST_STAMPS):
                    latest = self._next_stamp() or latest
        return latest

    def _next_stamp(self) -> int | None:
        flags = socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
        _, ancillary, _, _ = self._sock.recvmsg(0, _ANCILLARY_BYTES, flags)
        return stamp_in(ancillary, SO_TIMESTAMPING)
