"""Ways to frame JSON on the wire that several providers share."""

from __future__ import annotations

import json


def compact_json(value: object) -> bytes:
    """JSON without spaces; text keeps its characters, so that they can be split."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: object, event: str | None = None) -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n".encode() if event else b""
    return b"%sdata: %s\n\n" % (name, compact_json(value))
