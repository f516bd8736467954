"""Newline-delimited JSON: one JSON text per line."""

from __future__ import annotations

from exporter.providers.framing.lines import Lines, check_size


class NdjsonDecoder:
    """Splits a byte stream, received in arbitrary chunks, into JSON texts. Ignores empty lines."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the JSON texts that these bytes complete.

        :raises ProtocolError: a line is longer than ``MAX_BYTES``. The reason is ``too_large``.
        """
        texts = [line for line in self._lines.feed(chunk) if line.strip()]
        check_size(max(self._lines.pending_bytes, *map(len, texts), 0), "line")
        return texts

    def finish(self) -> list[bytes]:
        """Return the last line, which can lack its line end."""
        return self.feed(b"\n")
