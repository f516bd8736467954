"""Removes secrets from every text that leaves the process.

It remembers every secret that was read. A provider can echo a secret unchanged, or in any encoding
that programs apply to text. ``redact`` finds all of these, and any prefix of a secret with at least
``PREFIX`` characters. It doesn't look for a secret across visible characters, such as commas, that
someone has put into it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque

from exporter.settings.redaction.finder import Needles, TooEncoded, find

REDACTED = "[secret]"
NOT_SHOWN = "[not shown: encoded too often to be searched for secrets]"

_MIN_LENGTH = 4
"""Shorter values aren't redacted: they would remove innocent text everywhere."""
_MIN_PART = 8
"""A part of a value needs this many characters to count as a secret."""

_MOST_SHORT_LIVED = 300
"""The number of short-lived secrets to search for; older ones are forgotten."""


class _Memory:
    """All known secrets, and the byte sequences to search for."""

    def __init__(self) -> None:
        self.known: dict[str, None] = {}
        self.needles = Needles()
        self._short_lived: deque[str] = deque()

    def add(self, value: str, short_lived: bool) -> None:
        self.known[value] = None
        _look_for(value, self.needles)
        if short_lived:
            self._short_lived.append(value)
        if len(self._short_lived) > _MOST_SHORT_LIVED:
            self.known.pop(self._short_lived.popleft(), None)
            needles = Needles()
            for kept in tuple(self.known):
                _look_for(kept, needles)
            self.needles = needles


def _look_for(value: str, needles: Needles) -> None:
    for secret in {value, *_parts(value)}:
        needles.add(secret.encode("utf-8", "surrogatepass"))


_memory = _Memory()


def remember(value: str, *, passing: bool = False) -> None:
    """Redact this value from now on, in any encoding.

    :param passing: whether the value is short-lived, and worthless once another replaces it. The
        oldest of these are forgotten. Otherwise searching would take longer and longer.
    """
    if len(value) >= _MIN_LENGTH and value not in _memory.known:
        _memory.add(value, passing)


def redact(text: str) -> str:
    """Return the text without known secrets.

    The time is proportional to the length of the text. If nested encodings would make the search
    take longer, the result doesn't show the text at all.
    """
    if not _memory.known:
        return text
    content = text.encode("utf-8", "surrogatepass")
    try:
        spans = find(content, _memory.needles)
    except TooEncoded:
        return NOT_SHOWN
    if not spans:
        return text
    kept, end = [], 0
    for start, stop in spans:
        kept += [content[end:start], REDACTED.encode()]
        end = stop
    return b"".join([*kept, content[end:]]).decode("utf-8", "replace")


def _parts(value: str) -> set[str]:
    """Return the secrets in a header value, such as ``Bearer KEY``, ``Basic base64`` or cookies."""
    if not re.search(r"[\s;]", value):
        return set()
    words = set(re.split(r"[\s;,=]+", value))
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            user_and_password = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return words
        words |= {user_and_password, user_and_password.partition(":")[2]}
    return {word for word in words if len(word) >= _MIN_PART and not word.isalpha()}
