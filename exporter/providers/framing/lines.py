"""Splits bytes, received in arbitrary chunks, into lines of text."""

from __future__ import annotations

from exporter.providers.base import ProtocolError
from exporter.result import FailureReason

MAX_BYTES = 512 << 10
"""The size limit of one message, larger than any provider sends. It keeps a hostile or broken
server from filling the memory."""


def check_size(size: int, what: str) -> None:
    """Check the size of a message.

    :raises ProtocolError: the size exceeds ``MAX_BYTES``. The reason is ``too_large``.
    """
    if size > MAX_BYTES:
        raise ProtocolError(f"one {what} is longer than {MAX_BYTES} bytes", FailureReason.TOO_LARGE)


class Lines:
    """Splits bytes into lines. A line ends with LF, CRLF, or CR."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self._held = b""
        """A trailing CR. It could be half of a CRLF, so it waits for the next bytes."""

    @property
    def pending_bytes(self) -> int:
        """The length of the unfinished line."""
        return len(self._tail) + len(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that these bytes complete, without their line ends."""
        body = self._held + chunk
        self._held = b"\r" if body.endswith(b"\r") else b""
        body = body.removesuffix(self._held)
        # Never scan the unfinished line twice: that would take quadratic time.
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = body.split(b"\n")
        self._tail += first
        if not others:
            return []
        lines = [bytes(self._tail), *others[:-1]]
        self._tail = bytearray(others[-1])
        return lines
