"""The listening socket of the HTTP server, which limits connections and how long each can wait.

The limits apply before TLS and authentication, so that an unknown client can't use up all
connections by sending nothing, half a request, or one request a minute.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TypeAlias

import structlog

from exporter.process.descriptors import is_shortage
from exporter.process.log_throttle import LogThrottle

REQUEST_SECONDS = 10.0
"""The time limit for a complete request: TLS handshake, request line, headers."""
READING_SECONDS = 30.0
"""How long a client can leave a response unread."""
IDLE_SECONDS = 130.0
"""How long a connection can wait for its next request: longer than most scrape intervals."""

SEND_BUFFER_BYTES = 128 << 10
"""How much of a response the kernel buffers for a client that doesn't read. Linux doubles this. By
default, the buffer grows to 4 MB, so that unread responses could fill the memory of a container."""

_NEVER = float("inf")

log = structlog.get_logger(__name__)

_Address: TypeAlias = tuple[object, ...]


class Connection(socket.socket):
    """An accepted connection and its timeouts."""

    listener: Listener
    busy = False
    """Whether the server is answering a request."""
    used = False
    """Whether the client has sent a complete request."""
    expires_at: float
    """When the connection times out, by the monotonic clock."""
    read_deadline = _NEVER
    """When reading the response times out, by the monotonic clock."""

    def restart_timeout(self, seconds: float) -> None:
        """Time out after this many seconds from now."""
        self.expires_at = time.monotonic() + seconds

    def writing_paused(self) -> None:
        """The client reads more slowly than the server sends."""
        self.read_deadline = time.monotonic() + READING_SECONDS

    def writing_resumed(self) -> None:
        """The client has caught up."""
        self.read_deadline = _NEVER

    def request_received(self) -> None:
        """The request is complete; the server answers it now."""
        self.busy = self.used = True
        self.expires_at = _NEVER

    def response_sent(self) -> None:
        """The response is complete."""
        self.busy = False
        self.restart_timeout(IDLE_SECONDS)

    def disconnect(self) -> None:
        """Shut the connection down. The protocol that reads it then sees the end and closes it."""
        with contextlib.suppress(OSError):  # the client may have closed it already
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.remove(self)
        super().close()


class Listener(socket.socket):
    """Accepts a limited number of connections. At the limit, it closes the longest idle one."""

    def __init__(self, listening: socket.socket, max_connections: int) -> None:
        family, kind, protocol = listening.family, listening.type, listening.proto
        super().__init__(family, kind, protocol, fileno=listening.detach())
        # Connections inherit this.
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._max_connections = max_connections
        self._connections: dict[int, Connection] = {}
        self._rejected = LogThrottle()
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, _Address]:
        """:raises BlockingIOError: no connection can be accepted now."""
        has_room = self._make_room()
        try:
            descriptor, address = self._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if not is_shortage(error):
                raise
            self._accept_and_close()
            raise BlockingIOError from error
        connection = Connection(self.family, self.type, self.proto, fileno=descriptor)
        # asyncio sets this only on sockets that name their protocol. Without it, the body of a
        # response waits until the client has acknowledged the head: 40 ms on Linux.
        with contextlib.suppress(OSError):  # the client may have closed it already
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.listener = self
        connection.restart_timeout(REQUEST_SECONDS)
        self._connections[descriptor] = connection
        if not has_room:
            connection.close()
            self._warn("all connections are busy: raise web.max_connections to allow more")
            raise BlockingIOError
        return connection, address

    def connection(self, descriptor: int) -> Connection:
        """The open connection with this file descriptor."""
        return self._connections[descriptor]

    def remove(self, connection: Connection) -> None:
        """Stop tracking a connection that is being closed."""
        self._connections.pop(connection.fileno(), None)

    def close_expired(self) -> None:
        """Disconnect every connection that has timed out."""
        now = time.monotonic()
        for connection in [*self._connections.values()]:
            if min(connection.expires_at, connection.read_deadline) < now:
                connection.expires_at = connection.read_deadline = _NEVER
                connection.disconnect()

    def close(self) -> None:
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _make_room(self) -> bool:
        """Whether another connection fits. If not, disconnect an idle one.

        :raises BlockingIOError: an idle connection is closing; try again once it is closed.
        """
        if len(self._connections) < self._max_connections:
            return True
        idle = [connection for connection in self._connections.values() if not connection.busy]
        if not idle:
            return False
        # Connections without any request go first, then the one that has waited longest.
        min(idle, key=lambda each: (each.used, each.expires_at)).disconnect()
        raise BlockingIOError

    def _accept_and_close(self) -> None:
        """Reject a client when no file descriptor is left, using the spare one.

        A connection that stays in the queue would wake the event loop again and again.
        """
        os.close(self._spare)
        try:
            descriptor, _ = self._accept()  # type: ignore[attr-defined]
            os.close(descriptor)
        except OSError:
            pass
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        self._warn("the process has no file descriptor left: raise its limit (ulimit -n)")

    def _warn(self, why: str) -> None:
        if times := self._rejected.times():
            log.warning("rejected connections to the exporter", why=why, times=times)
