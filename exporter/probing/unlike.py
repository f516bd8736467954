"""Describes responses that aren't answers, by content type and first words."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from pydantic_core import from_json

from exporter.providers.base import ResponseHead
from exporter.providers.errors import text_of
from exporter.result import Failure, FailureReason

_MAGIC = (
    (b"\x1f\x8b", "gzip, although identity was asked for and no content-encoding says so"),
    (b"\x28\xb5\x2f\xfd", "zstd, although identity was asked for and no content-encoding says so"),
    (b"PK\x03\x04", "a zip file"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\x16\x03", "TLS"),
    (b"SSH-", "the banner of an SSH server"),
)
_FIELDS = (b"data", b"event", b"id", b"retry", b"status")
_LINE_END = re.compile(rb"[\r\n]")
_NOTHING = re.compile(rb"\A(?:\s++|:[^\r\n]*+)*+")
"""Empty lines and comments, of which there can be thousands."""
KEPT_BYTES = 64 << 10
"""How much is kept of a body that isn't an answer."""
_MAX_WORDS = 160
_LOOK = 4096


def explained(failure: Failure, head: ResponseHead, body: bytes | None) -> Failure:
    """Return the failure, with a description of the response if it wasn't an answer.

    :param body: the start of the body. ``None`` if it contained part of an answer.
    """
    if location := _where_to(head):
        detail = f"redirects are not followed: this one leads to {location}; {failure.detail}"
    elif head.status != HTTPStatus.OK:
        detail = f"{failure.detail}{_odd_type(head)}"
    elif body is None or failure.reason not in (FailureReason.TRUNCATED, FailureReason.PROTOCOL):
        return failure
    else:
        detail = f"{failure.detail}; {_what_came(head, body)}"
        if not _is_answer_so_far(body):
            return replace(failure, reason=FailureReason.PROTOCOL, detail=f"no answer: {detail}")
    return replace(failure, detail=detail)


def _is_answer_so_far(body: bytes) -> bool:
    """Return whether a body without events could be an answer that was cut off: it is empty, has
    lines of an event stream, or is incomplete JSON."""
    if len(body) >= KEPT_BYTES and not _LINE_END.search(body):
        return True  # too long a line to know how it continues
    text = body.removeprefix(b"\xef\xbb\xbf")
    text = _NOTHING.sub(b"", text, 1)
    line = _LINE_END.split(text, 1)[0].strip()
    if line.partition(b":")[0] in _FIELDS or any(name.startswith(line) for name in _FIELDS):
        return True
    return line[:1] in (b"{", b"[") and _is_json_so_far(text)


def _what_came(head: ResponseHead, body: bytes) -> str:
    """Describe a response in a few words."""
    kind = head.headers.get("content-type") or "none"
    said = f"content type {kind}"
    if not body.strip():
        return f"{said}, and the body is empty"
    for magic, name in _MAGIC:
        if body.startswith(magic):
            said = f"{said}, and the body is {name}"
            break
    if body.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return said
    raw = " ".join(body[:_LOOK].decode("utf-8", errors="replace").split())
    words = text_of(raw)
    if words != raw and len(raw) > _MAX_WORDS:
        raw = f"{raw[:24]}... {words}"
    return f'{said}; it begins "{raw[:_MAX_WORDS]}"'


def _odd_type(head: ResponseHead) -> str:
    """Return the content type of an error that doesn't come from an API, such as a gateway's
    page."""
    kind = head.headers.get("content-type", "")
    return "" if not kind or "json" in kind or "event-stream" in kind else f" (content type {kind})"


def _where_to(head: ResponseHead) -> str:
    """Return the target of a redirect, without its query, which can contain secrets."""
    location = head.headers.get("location")
    if not location or not 300 <= head.status <= 399:
        return ""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return "an address that is no URL"


def _is_json_so_far(text: bytes) -> bool:
    """Return whether these bytes are an incomplete JSON text."""
    try:
        from_json(text)
    except ValueError:
        try:
            from_json(text, allow_partial="trailing-strings")
        except ValueError:
            return False
        return True
    return False
