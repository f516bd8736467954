"""Newline-delimited JSON: one JSON text on each line."""

from __future__ import annotations

from exporter.providers.framing.lines import Lines, check_size


class NdjsonDecoder:
    """Cuts bytes, split anywhere, into JSON texts; empty lines are passed over."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The JSON texts that these bytes complete.

        :raises ProtocolError: ``too_large``, a line is longer than ``MAX_BYTES``.
        """
        texts = [line for line in self._lines.feed(chunk) if line.strip()]
        check_size(max(self._lines.pending_bytes, *map(len, texts), 0), "line")
        return texts

    def finish(self) -> list[bytes]:
        """The last line, which needs no line end."""
        return self.feed(b"\n")
