"""What a connection reads from and writes to."""

from __future__ import annotations

from typing import Protocol

from exporter.net.exchange import Exchange

READ_BYTES = 1 << 12
"""At most so much is read and taken apart at a time: a flood then takes turns with all else."""


class Stream(Protocol):
    """Bytes to and from a peer. What happens is noted in the exchange that asks for it."""

    @property
    def is_readable(self) -> bool:
        """Whether there is something to read. Of an idle connection that is its end."""
        ...

    async def read(self, exchange: Exchange) -> bytes:
        """The next bytes; none once the peer has closed the connection.

        :raises httpx.ReadError: the connection broke.
        :raises TlsError: the peer refuses it after the handshake.
        """
        ...

    async def write(self, data: bytes, exchange: Exchange | None) -> None:
        """Hand all of this to the kernel.

        :param exchange: whose request it is; ``None``: it is none, but sets the connection up.
        :raises httpx.WriteError: the connection broke.
        """
        ...

    def close(self) -> None:
        """Close it at once."""
        ...
