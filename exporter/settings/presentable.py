"""Makes external text safe to show in logs, on pages and in terminals."""

from __future__ import annotations

import re

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
_CONTROLS = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"
    "\N{LEFT-TO-RIGHT EMBEDDING}-\N{RIGHT-TO-LEFT OVERRIDE}"
    "\N{LEFT-TO-RIGHT ISOLATE}-\N{POP DIRECTIONAL ISOLATE}]"
)
"""Characters that no answer needs. The joiners of emoji and the marks of right-to-left scripts
aren't among them."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")


def presentable(said: str, limit: int) -> str:
    """Put a text on one line, without secrets and control characters.

    However long the text is, this searches only a few times ``limit`` characters for secrets. It
    also finds the rest of a secret that the limit cuts off.

    :param limit: the maximum number of characters.
    """
    return printable(" ".join(redact(said[: limit * _SEARCHED]).split())[:limit])


def printable(line: str) -> str:
    """Replace every character that could control a terminal or end the line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def words_of(error: Exception) -> str:
    """Return what an error says without the operating system's number: ``connection reset by
    peer``, not ``[Errno 104] Connection reset by peer``. Return its type if it says nothing."""
    said = str(error)
    words = _ERROR_NUMBER.sub("", said)
    if said.startswith("[Errno"):
        words = words[:1].lower() + words[1:]
    return words or type(error).__name__


def shown_answer(said: str) -> str:
    """Return the beginning of an answer, line breaks included.

    It contains no secret that ``redact`` recognizes, and nothing that controls a terminal or
    reverses a text.
    """
    answer = said[:MAX_ANSWER_CHARACTERS].replace("\r\n", "\n")
    shown = redact(_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", answer))
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", shown)


def shown_body(said: str) -> str:
    """Return the beginning of a body that isn't an answer, line breaks included.

    It contains no secrets and no other control characters.
    """
    limit = MAX_BODY_CHARACTERS
    shown = redact(said[: limit * _SEARCHED])[:limit]
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in shown
    )
