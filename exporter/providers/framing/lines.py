"""Lines of text, cut from bytes that are split anywhere."""

from __future__ import annotations

from exporter.providers.base import ProtocolError
from exporter.result import FailureReason

MAX_BYTES = 512 << 10
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
        self._held = b""
        """A CR at the very end, which may be half of a CRLF: it waits for the next bytes."""

    @property
    def pending_bytes(self) -> int:
        """Length of the line that has no end yet."""
        return len(self._tail) + len(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        body = self._held + chunk
        self._held = b"\r" if body.endswith(b"\r") else b""
        body = body.removesuffix(self._held)
        # Of the line that has no end yet nothing is looked at twice, or it would take forever.
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = body.split(b"\n")
        self._tail += first
        if not others:
            return []
        lines = [bytes(self._tail), *others[:-1]]
        self._tail = bytearray(others[-1])
        return lines
