"""Makes foreign text safe to show in logs, on pages, and in terminals."""

from __future__ import annotations

from exporter.settings.redaction import redact

MAX_DETAIL_CHARACTERS = 300
"""Of what went wrong."""
MAX_ANSWER_CHARACTERS = 2048
"""Of an answer: searching more for secrets would hold up what else is being read."""
MAX_BODY_CHARACTERS = 512
"""Of what came instead of an answer."""
_SEARCHED = 4
"""White space is put together, and secrets in long forms become one short word."""


def presentable(said: str, limit: int) -> str:
    """A text on one line of at most so many characters, without secrets and without what a
    terminal would obey. Little more of it is searched for secrets than is shown, however long it
    is; what is left of one where it was cut is known for one as well."""
    line = " ".join(redact(said[: limit * _SEARCHED]).split())[:limit]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def shown_answer(said: str) -> str:
    """The beginning of an answer without secrets, lines and all."""
    return redact(said[:MAX_ANSWER_CHARACTERS])


def shown_body(said: str) -> str:
    """The beginning of what is no answer, lines and all: without secrets, and without what a
    terminal would obey."""
    limit = MAX_BODY_CHARACTERS
    shown = redact(said[: limit * _SEARCHED])[:limit]
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in shown
    )
