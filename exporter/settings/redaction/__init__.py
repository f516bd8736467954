"""Takes secrets out of every text that leaves the process.

Every value that was ever read is remembered here. A provider may send it back as it is, or in any
form that programs give to texts; ``redact`` finds it in all of them, as it finds the first
``PREFIX`` characters of it and more.
"""

from __future__ import annotations

import base64
import binascii
import re

from exporter.settings.redaction.finder import Needles, TooEncoded, find

REDACTED = "[secret]"
NOT_SHOWN = "[not shown: encoded too often to be searched for secrets]"

_MIN_LENGTH = 4
"""Shorter values are not redacted: they would blank out innocent text everywhere."""
_MIN_PART = 8
"""As much must a part of a value have to be a secret of its own."""

_needles = Needles()
_known: set[str] = set()


def remember(value: str) -> None:
    """Redact this value from now on, whatever form it comes back in."""
    if len(value) < _MIN_LENGTH or value in _known:
        return
    _known.add(value)
    for secret in {value, *_parts(value)}:
        _needles.add(secret.encode("utf-8", "surrogatepass"))


def redact(text: str) -> str:
    """The text with every known secret taken out.

    It takes time in proportion to the text. A text in which so much is encoded, and encoded
    again, that searching it would take longer is not shown at all.
    """
    if not _known:
        return text
    content = text.encode("utf-8", "surrogatepass")
    try:
        spans = find(content, _needles)
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
    return {word for word in words if len(word) >= _MIN_PART}
