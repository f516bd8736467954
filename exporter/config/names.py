"""Names in the configuration that others give a meaning to: labels and request headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from exporter.config.labels import RESERVED_LABELS
from exporter.settings.types import HeaderValue, Located

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
)
"""Request headers that carry credentials."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def label_mistakes(labels: Iterable[str]) -> Iterator[Located]:
    """Which of these labels of a target cannot be used."""
    for name in labels:
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            yield (name,), ValueError(f"{name!r} is not a Prometheus label name")
        elif name in RESERVED_LABELS:
            yield (name,), ValueError(f"label {name!r} is reserved for the exporter itself")


def header_mistakes(headers: Mapping[str, HeaderValue]) -> Iterator[Located]:
    """Which of these request headers cannot be sent, or show a secret."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield (name,), ValueError(f"{name!r} is not the name of a header")
        elif isinstance(value, str) and name.lower() in SECRET_HEADERS:
            yield (name,), ValueError("carries a secret; write {env: NAME} or {file: PATH}")
        elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
            yield (name,), ValueError("must be one line of ASCII")
