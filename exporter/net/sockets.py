"""The sockets of probes, which are not to take the last descriptors of the process."""

from __future__ import annotations

import socket
from weakref import WeakSet

import httpx


class OutOfSockets(httpx.ConnectError):
    """The exporter has no descriptor left for a connection: no provider's fault."""

    def __init__(self) -> None:
        super().__init__(
            "the exporter has no file descriptor left for a connection: raise its limit (ulimit -n)"
        )


class Sockets:
    """Those that are open. There is no limit until one is set."""

    limit: int | None = None

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def check(self) -> None:
        """:raises OutOfSockets: there may be no further one."""
        if self.limit is not None and self._count() >= self.limit:
            raise OutOfSockets

    def add(self, sock: socket.socket) -> None:
        self._open.add(sock)

    @property
    def are_scarce(self) -> bool:
        """Whether connections should be closed rather than kept for the next probe: others have
        none."""
        return self.limit is not None and self._count() > self.limit * 3 // 4

    def _count(self) -> int:
        if self.limit is not None and len(self._open) > self.limit // 2:
            self._open = WeakSet(sock for sock in self._open if sock.fileno() >= 0)
        return len(self._open)


sockets = Sockets()
"""Of this process, like the limit that they share."""
