"""Makes external text safe to show in logs, on pages and in terminals."""

from __future__ import annotations

from exporter.settings.redaction import redact

MAX_DETAIL_CHARACTERS = 300
"""The maximum length of an error description."""
MAX_ANSWER_CHARACTERS = 2048
"""The maximum length of a shown answer. Redacting more would delay the streams of other probes."""
MAX_BODY_CHARACTERS = 512
"""The maximum length of a shown body that isn't an answer."""
_SEARCHED = 4
"""How much more text than shown to redact: white space collapses, and a long encoded secret becomes
one short word."""


def presentable(said: str, limit: int) -> str:
    """Put a text on one line, without secrets and control characters.

    However long the text is, this searches only a few times ``limit`` characters for secrets. It
    also finds the rest of a secret that the limit cuts off.

    :param limit: the maximum number of characters.
    """
    line = " ".join(redact(said[: limit * _SEARCHED]).split())[:limit]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def shown_answer(said: str) -> str:
    """Return the beginning of an answer without secrets, line breaks included."""
    return redact(said[:MAX_ANSWER_CHARACTERS])


def shown_body(said: str) -> str:
    """Return the beginning of a body that isn't an answer, line breaks included.

    It contains no secrets and no other control characters.
    """
    limit = MAX_BODY_CHARACTERS
    shown = redact(said[: limit * _SEARCHED])[:limit]
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in shown
    )
