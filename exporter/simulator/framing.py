"""JSON framings that several providers share."""

from __future__ import annotations

import json


def compact_json(value: object) -> bytes:
    """Return JSON without spaces. Characters aren't escaped, so that writes can split them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: object, event: str | None = None) -> bytes:
    """Return one server-sent event."""
    name = f"event: {event}\n".encode() if event else b""
    return b"%sdata: %s\n\n" % (name, compact_json(value))
