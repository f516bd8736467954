"""Lines of text, cut from bytes that are split anywhere."""

from __future__ import annotations

from exporter.providers.base import ProtocolError
from exporter.result import FailureReason

MAX_BYTES = 1 << 20
"""More than any provider sends in one message; a longer one is refused, so that a hostile or
broken server cannot fill the memory."""


def check_size(size: int, what: str) -> None:
    """Refuse what is too long.

    :raises ProtocolError: ``too_large``, so many bytes are more than a message may have.
    """
    if size > MAX_BYTES:
        raise ProtocolError(f"one {what} is longer than {MAX_BYTES} bytes", FailureReason.TOO_LARGE)


class Lines:
    """Cuts bytes into lines; a line ends with LF, CRLF or CR."""

    def __init__(self) -> None:
        self._tail = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Length of the line that has no end yet."""
        return len(self._tail)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        ends_line = self._tail.endswith(b"\r") or b"\n" in chunk or b"\r" in chunk
        self._tail += chunk
        if not ends_line:
            return []  # and no look at all that came before, or a long line would take forever
        # A CR at the very end may be half of a CRLF: it waits for the next bytes.
        held = b"\r" if self._tail.endswith(b"\r") else b""
        body = bytes(self._tail).removesuffix(held)
        *lines, rest = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._tail = bytearray(rest + held)
        return lines
