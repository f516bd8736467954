"""Golden bytes: what providers send, one small file per quirk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporter.providers import Dialect
from exporter.providers.base import Event, Output
from exporter.providers.calls import Calls, ToolCall

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


def sse(*events: dict[str, Any]) -> bytes:
    """Return events of a stream, named by their types if they have one."""
    lines = (f"event: {event['type']}\n" if "type" in event else "" for event in events)
    return "".join(
        f"{line}data: {json.dumps(event)}\n\n" for line, event in zip(lines, events, strict=True)
    ).encode()


def text_of(events: Iterable[Event]) -> str:
    """Return all output, joined."""
    return "".join(event.text for event in events if isinstance(event, Output))


def calls_in(dialect: Any, body: bytes) -> tuple[ToolCall, ...]:
    """Return the tool calls of an answer."""
    calls = Calls()
    for event in events_of(dialect, body):
        if isinstance(event, Output) and event.call:
            calls.add(event.call)
    return calls.whole()
