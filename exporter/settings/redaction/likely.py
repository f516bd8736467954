"""Recognizes what looks like an API key, although nothing has read it as a secret.

Someone can paste a key anywhere in a configuration, and errors quote keys, tags and names of it.
"""

from __future__ import annotations

import re

from exporter.settings.redaction import REDACTED

_WORD = re.compile(r"[A-Za-z0-9+=_-]{12,}")
_MIN_RANDOM = 12
"""Longer than the random part of a pod's name."""
_CHANGE = re.compile(r"[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])")
_MIN_CHANGES = 2
"""Random text mixes letters and digits. A part of a model's name rarely does."""


def without_likely_secrets(text: str) -> str:
    """Replace each word that looks like an API key. A password that looks like a name stays."""
    return _WORD.sub(lambda word: REDACTED if _is_likely_secret(word[0]) else word[0], text)


def _is_likely_secret(word: str) -> bool:
    parts = re.split(r"[^A-Za-z0-9]", word)
    return any(
        len(part) >= _MIN_RANDOM and len(_CHANGE.findall(part)) >= _MIN_CHANGES for part in parts
    )
