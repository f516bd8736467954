"""What others said, as people may see it: in logs, on pages and in terminals."""

from __future__ import annotations

from exporter.settings.secret import redact

MAX_DETAIL_CHARACTERS = 300
"""Of what went wrong."""
_MAX_LOOKED_AT = 1 << 14
"""Characters of a text that are looked at for so few: a megabyte would hold up all else."""


def presentable(said: str, limit: int) -> str:
    """A text on one line of at most so many characters, without secrets and without what a
    terminal would obey. It is cut last: half a secret would not be known for one."""
    line = " ".join(redact(_beginning(said)).split())[:limit]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _beginning(said: str) -> str:
    """The text as far as it is looked at, without its last word, which may be half a secret."""
    if len(said) <= _MAX_LOOKED_AT:
        return said
    words = said[:_MAX_LOOKED_AT].rsplit(None, 1)
    return words[0] if len(words) > 1 else "".join(words)[: -_MAX_LOOKED_AT // 2]
