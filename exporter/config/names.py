"""Names with a meaning outside the exporter: labels and request headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from exporter.config.labels import RESERVED_LABELS, Label
from exporter.settings.types import HeaderValue, Located

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
)
"""Request headers that carry credentials."""

_HEADERS_OF_HTTP = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "keep-alive",
     "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Request headers that control framing and encoding. Only the code that sends the request and reads
the response can set them."""
_MAX_HEADER_NAME = 256
_MAX_HEADER_VALUE = 8192
"""Most servers don't accept more for all headers together."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_HEADER_NAME = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{_MAX_HEADER_NAME}}}")


def label_mistakes(labels: Iterable[str]) -> Iterator[Located]:
    """Yield an error for each label name that a target can't use."""
    for name in labels:
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            yield (name,), ValueError(f"{name!r} is not a Prometheus label name")
        elif name == Label.LOCATION:
            why = f"label {name!r} is reserved: set location, which puts it on every series"
            yield (name,), ValueError(why)
        elif name in RESERVED_LABELS:
            yield (name,), ValueError(f"label {name!r} is reserved for the exporter itself")


def header_mistakes(headers: Mapping[str, HeaderValue]) -> Iterator[Located]:
    """Yield an error for each request header that can't be sent or shows a secret in plain text."""
    seen: set[str] = set()
    for name, value in headers.items():
        if why := _why_refused(name, value) or (name.lower() in seen and "appears twice"):
            yield (name,), ValueError(why)
        seen.add(name.lower())


def _why_refused(name: str, value: HeaderValue) -> str | None:
    if not _HEADER_NAME.fullmatch(name):
        return f"{name[:_MAX_HEADER_NAME]!r} is not the name of a header"
    if name.lower() in _HEADERS_OF_HTTP:
        return "is set by the exporter itself; remove it"
    if isinstance(value, str) and name.lower() in SECRET_HEADERS:
        return "carries a secret; write {env: NAME} or {file: PATH}"
    return _why_invalid(value) if isinstance(value, str) else None


def _why_invalid(value: str) -> str | None:
    if not (value.isascii() and value.isprintable()):
        return "must be one line of ASCII"
    if value != value.strip():
        return "must not begin or end with a space"
    too_long = len(value) > _MAX_HEADER_VALUE
    return f"is longer than {_MAX_HEADER_VALUE} characters" if too_long else None
