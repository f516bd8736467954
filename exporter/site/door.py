"""The listening socket: limits the number of connections and how long each can wait.

It acts before TLS and authentication, so that nobody can use up all connections by sending
nothing, half a request, or a request a minute.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TypeAlias

import structlog

from exporter.process.descriptors import is_shortage
from exporter.process.sparingly import Sparingly

REQUEST_SECONDS = 10.0
"""The time limit for a complete request: TLS handshake, request line, headers."""
READING_SECONDS = 30.0
"""How long a client can leave an answer unread."""
IDLE_SECONDS = 130.0
"""How long a connection can wait for its next request: longer than most scrape intervals."""

_NEVER = float("inf")

log = structlog.get_logger(__name__)

_Address: TypeAlias = tuple[object, ...]


class Guest(socket.socket):
    """An accepted connection."""

    door: Door
    busy = False
    """Whether a request of this connection is being answered."""
    known = False
    """Whether a request ever was."""
    leaves_at: float
    """When the connection times out, by the monotonic clock."""
    reads_until = _NEVER
    """When reading the answer times out, by the monotonic clock."""

    def may_stay(self, seconds: float) -> None:
        """Restart the timeout with this length."""
        self.leaves_at = time.monotonic() + seconds

    def reads_slowly(self) -> None:
        """The client reads more slowly than the server sends."""
        self.reads_until = time.monotonic() + READING_SECONDS

    def has_read(self) -> None:
        """The client has caught up."""
        self.reads_until = _NEVER

    def asks(self) -> None:
        """A request is complete and is being answered."""
        self.busy = self.known = True
        self.leaves_at = _NEVER

    def is_answered(self) -> None:
        """The answer is complete."""
        self.busy = False
        self.may_stay(IDLE_SECONDS)

    def show_out(self) -> None:
        """The reader of this connection sees its end, and closes it."""
        with contextlib.suppress(OSError):  # it may have gone by itself
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.door.forget(self)
        super().close()


class Door(socket.socket):
    """Accepts a limited number of connections. If full, it closes the longest idle one."""

    def __init__(self, listening: socket.socket, room: int) -> None:
        family, kind, protocol = listening.family, listening.type, listening.proto
        super().__init__(family, kind, protocol, fileno=listening.detach())
        self._room = room
        self._guests: dict[int, Guest] = {}
        self._turned_away = Sparingly()
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, _Address]:
        """:raises BlockingIOError: no connection is accepted now."""
        has_room = self._make_room()
        try:
            descriptor, address = self._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if not is_shortage(error):
                raise
            self._accept_and_close()
            raise BlockingIOError from error
        guest = Guest(self.family, self.type, self.proto, fileno=descriptor)
        # asyncio does so only for sockets that name their protocol. Without it, the body of a
        # response waits until the client has acknowledged the head: 40 ms on Linux.
        with contextlib.suppress(OSError):  # it may have gone by itself
            guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        guest.door = self
        guest.may_stay(REQUEST_SECONDS)
        self._guests[descriptor] = guest
        if not has_room:
            guest.close()
            self._say("no connection is idle, and there may be no more of them")
            raise BlockingIOError
        return guest, address

    def guest(self, descriptor: int) -> Guest:
        """The guest who has this descriptor."""
        return self._guests[descriptor]

    def forget(self, guest: Guest) -> None:
        """It has gone."""
        self._guests.pop(guest.fileno(), None)

    def sweep(self) -> None:
        """Show out all who have waited too long."""
        now = time.monotonic()
        for guest in [*self._guests.values()]:
            if min(guest.leaves_at, guest.reads_until) < now:
                guest.leaves_at = guest.reads_until = _NEVER
                guest.show_out()

    def close(self) -> None:
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _make_room(self) -> bool:
        """Whether there is room; if not, an idle guest is shown out and it soon may be.

        :raises BlockingIOError: it soon is.
        """
        if len(self._guests) < self._room:
            return True
        idle = [guest for guest in self._guests.values() if not guest.busy]
        if not idle:
            return False
        # Those who never asked for anything go first, then those who have waited longest.
        min(idle, key=lambda guest: (guest.known, guest.leaves_at)).show_out()
        raise BlockingIOError

    def _accept_and_close(self) -> None:
        """Somebody waits, and there is no descriptor to let them in with: but one is in reserve,
        to send them away with. Left alone they would be announced again and again."""
        os.close(self._spare)
        try:
            descriptor, _ = self._accept()  # type: ignore[attr-defined]
            os.close(descriptor)
        except OSError:
            pass
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        self._say("the process has no file descriptor left: raise its limit (ulimit -n)")

    def _say(self, why: str) -> None:
        if times := self._turned_away.times():
            log.warning("rejected connections to the exporter", why=why, times=times)
