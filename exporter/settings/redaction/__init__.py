"""Removes secrets from every text that leaves the process.

It remembers every secret that was read. A provider can send one back as it is, or in any encoding
that programs apply to text. ``redact`` finds it in all of them, and also finds its first ``PREFIX``
characters or more.
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
"""Shorter values are not redacted: they would blank out innocent text everywhere."""
_MIN_PART = 8
"""As much must a part of a value have to be a secret of its own."""

_MOST_PASSING = 300
"""So many of the secrets that are replaced every hour are looked for, the latest ones."""


class _Memory:
    """Every secret there is, and what is looked for because of them."""

    def __init__(self) -> None:
        self.known: dict[str, None] = {}
        self.needles = Needles()
        self._passing: deque[str] = deque()

    def add(self, value: str, passing: bool) -> None:
        self.known[value] = None
        _look_for(value, self.needles)
        if passing:
            self._passing.append(value)
        if len(self._passing) > _MOST_PASSING:
            self.known.pop(self._passing.popleft(), None)
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

    :param passing: the value is short-lived, and worthless once another replaces it. The oldest
        of these are forgotten, because searching would otherwise take ever longer.
    """
    if len(value) >= _MIN_LENGTH and value not in _memory.known:
        _memory.add(value, passing)


def redact(text: str) -> str:
    """The text with every known secret taken out.

    It takes time in proportion to the text. A text in which so much is encoded, and encoded
    again, that searching it would take longer is not shown at all.
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
    """The secrets in the value of a header, such as ``Bearer KEY``, ``Basic base64`` or cookies."""
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
