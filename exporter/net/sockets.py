"""The sockets of probes, which must not use up the process's file descriptors."""

from __future__ import annotations

import socket
from weakref import WeakSet

import httpx


class OutOfSockets(httpx.ConnectError):
    """The exporter has no file descriptor left for a connection. It's not the provider's fault."""

    def __init__(self) -> None:
        super().__init__(
            "the exporter has no file descriptor left for a connection: raise its limit (ulimit -n)"
        )


class Sockets:
    """The open sockets. There is no limit until one is set."""

    limit: int | None = None

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def check(self) -> None:
        """Check whether another socket is allowed.

        :raises OutOfSockets: it isn't.
        """
        if self.limit is not None and self._count() >= self.limit:
            raise OutOfSockets

    def add(self, sock: socket.socket) -> None:
        self._open.add(sock)

    @property
    def are_scarce(self) -> bool:
        """Whether connections should be closed rather than kept for the next probe, so that others
        can be opened."""
        return self.limit is not None and self._count() > self.limit * 3 // 4

    def _count(self) -> int:
        if self.limit is not None and len(self._open) > self.limit // 2:
            self._open = WeakSet(sock for sock in self._open if sock.fileno() >= 0)
        return len(self._open)


sockets = Sockets()
"""The sockets of this process, which share one limit."""
