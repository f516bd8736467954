"""How deeply JSON is nested. Code that walks it is recursive, so its depth must have a limit."""

from __future__ import annotations

import json

MAX_JSON_DEPTH = 100
"""The maximum depth of JSON in a variable: more than any configuration needs."""


def depth(value: object, limit: int) -> int:
    """Return how deeply a JSON value is nested; stop at the limit."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((depth(each, limit - 1) for each in inner), default=0) if limit >= 0 else 0


def is_too_deep(json_text: str) -> bool:
    """Whether a text is JSON that is nested deeper than ``MAX_JSON_DEPTH``."""
    try:
        return depth(json.loads(json_text), MAX_JSON_DEPTH) > MAX_JSON_DEPTH
    except RecursionError:
        return True
    except ValueError:
        return False
