"""What others said, as people may see it: in logs, on pages and in terminals."""

from __future__ import annotations

from exporter.settings.redaction import redact

MAX_DETAIL_CHARACTERS = 300
"""Of what went wrong."""


def presentable(said: str, limit: int) -> str:
    """A text on one line of at most so many characters, without secrets and without what a
    terminal would obey. It is cut last: half a secret would not be known for one."""
    line = " ".join(redact(said).split())[:limit]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
