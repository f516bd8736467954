"""The interface between a connection and what carries its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from exporter.net.exchange import Exchange

READ_BYTES = 1 << 12
"""The most bytes handed over in one turn of the loop, so that a flood doesn't hold up the other
probes."""

Take = Callable[[bytes], bool]
"""Takes the next bytes, or none once the peer has closed the connection. Returns whether to read
on at once."""


class Stream(Protocol):
    """Bytes to and from a peer. The exchange records what happens."""

    @property
    def is_readable(self) -> bool:
        """Whether there is something to read. On an idle connection, that means it has ended."""
        ...

    async def receive(self, exchange: Exchange, take: Take) -> None:
        """Call ``take`` with what arrives, until it returns ``False``.

        ``take`` runs in the loop's own callback, as soon as the bytes are read: waking up a task
        for every token would cost as much as parsing it. Whatever ``take`` raises is raised here.
        This may return early, to give other probes a turn; call it again to read on.

        :raises httpx.ReadError: the connection broke.
        :raises TlsError: the peer rejects it after the handshake.
        """
        ...

    async def write(self, data: bytes, exchange: Exchange | None) -> None:
        """Hand all of this to the kernel.

        :param exchange: the exchange whose request this is; ``None`` for bytes that only set up
            the connection.
        :raises httpx.WriteError: the connection broke.
        """
        ...

    def close(self) -> None:
        """Close it at once."""
        ...
