"""Golden bytes: what providers send, one small file per quirk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exporter.providers import Dialect
from exporter.providers.base import Event

FIXTURES = Path(__file__).parents[1] / "fixtures"
SUFFIXES = frozenset({".sse", ".ndjson", ".bin"})


def fixture(provider: str, name: str) -> bytes:
    """Return the bytes of ``tests/fixtures/PROVIDER/NAME``. The suffix is optional."""
    (path,) = (FIXTURES / provider).glob(f"{name}.*" if "." not in name else name)
    return path.read_bytes()


def events_of(dialect: Dialect[Any], data: bytes, piece_bytes: int | None = None) -> list[Event]:
    """Return the events of a body, fed whole or in pieces."""
    decoder = dialect.decoder()
    size = piece_bytes or max(1, len(data))
    events = [
        event
        for start in range(0, len(data), size)
        for event in decoder.feed(data[start : start + size])
    ]
    return [*events, *decoder.finish()]
