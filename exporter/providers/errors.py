"""The meaning of an error, from its codes, its status, and its text together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from http import HTTPStatus

from exporter.providers.error_phrases import ANY_OR_NONE, PHRASES, SPENT
from exporter.providers.error_words import CODES, TYPES, plain, table
from exporter.result import FailureReason

_BY_STATUS = {
    400: FailureReason.BAD_REQUEST,
    401: FailureReason.AUTH,
    402: FailureReason.QUOTA,
    403: FailureReason.AUTH,
    404: FailureReason.NOT_FOUND,
    405: FailureReason.NOT_FOUND,
    407: FailureReason.AUTH,
    408: FailureReason.SERVER_ERROR,
    409: FailureReason.BAD_REQUEST,  # Anthropic: conflict_error
    410: FailureReason.NOT_FOUND,  # Hugging Face: an endpoint that was shut down
    412: FailureReason.QUOTA,  # Fireworks: the account is suspended
    413: FailureReason.BAD_REQUEST,
    415: FailureReason.BAD_REQUEST,
    422: FailureReason.BAD_REQUEST,
    424: FailureReason.SERVER_ERROR,  # TGI, Bedrock: the model failed
    429: FailureReason.RATE_LIMITED,
    450: FailureReason.OVERLOADED,  # Alibaba PAI-EAS: the queue is full
    451: FailureReason.CONTENT_FILTER,
    498: FailureReason.OVERLOADED,  # Groq: capacity_exceeded
    499: FailureReason.SERVER_ERROR,  # Google, Ollama: canceled, but not by this client
    501: FailureReason.BAD_REQUEST,
    503: FailureReason.OVERLOADED,
    529: FailureReason.OVERLOADED,  # Anthropic: overloaded_error
}

_REASON_BY_CODE, _REASON_BY_TYPE = table(CODES), table(TYPES)
_PHRASES = tuple(
    (group.statuses, row.reason, tuple(row.words.split("|")))
    for group in PHRASES
    for row in group.rows
)
_SPENT = tuple(phrase for row in SPENT for phrase in row.words.split("|"))

_MAX_TEXT = 8192
"""The searched part of a text, longer than any provider's error messages."""
_MAX_WORD = 256
_STATUS_IN_TEXT = re.compile(
    r"(?:\A\s*|\bhttp[ /1.]*|\b(?:status(?:[ _]?code)?|error(?:[ _]code)?)\W{0,3})([45]\d\d)\b",
    re.IGNORECASE,
)
_NAMED_ERROR = re.compile(r"\b[A-Za-z]{3,60}(?:Exception|Error)\b")
_CANNOT_LOAD = re.compile(r"\b(?:error|failed|failure|unable|cannot|could not)\b.{0,40}\bload")
"""Ollama: "error loading model" is permanent, so the model won't be ready later."""
_UNSEEN = re.compile(r"<(script|style|svg)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_LOOSE = frozenset({FailureReason.SERVER_ERROR, FailureReason.BAD_REQUEST})
"""Reasons that a text can make more exact."""
_WORDLESS_STATUSES = ANY_OR_NONE | {500, 502}


def reason_for_status(status: int) -> FailureReason:
    """Return the failure reason of a status that has no further information.

    A status below 400 is a failure too, because probes don't follow redirects.
    """
    if 500 <= status <= 599:
        return _BY_STATUS.get(status, FailureReason.SERVER_ERROR)
    return _BY_STATUS.get(status, FailureReason.UNEXPECTED_STATUS)


def reason_for(
    words: Iterable[str],
    message: str,
    status: int | None,
    *,
    by_code: Mapping[str, FailureReason] | None = None,
    by_status: Mapping[int, FailureReason] | None = None,
) -> FailureReason:
    """Return the failure reason of an error with these codes, most exact first.

    ``status`` is ``None`` in a stream. ``by_code`` and ``by_status`` hold the provider's own
    meanings.
    """
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return FailureReason.QUOTA
    names = list(_parts(words))
    codes = _REASON_BY_CODE | {plain(code): reason for code, reason in (by_code or {}).items()}
    code, text = _first(names, codes), text_of(message)
    if code is FailureReason.RATE_LIMITED and any(it in text.lower() for it in _SPENT):
        return FailureReason.QUOTA
    reason = (code if code not in _LOOSE else None) or _by_text(text, status, codes) or code
    if reason:
        return reason
    kind = _first(names, _REASON_BY_TYPE)
    if status in _WORDLESS_STATUSES and kind is None:
        # Gateways pass on upstream errors as "Error code: 429 - ...".
        upstream = _STATUS_IN_TEXT.search(message[:_MAX_TEXT])
        status = int(upstream[1]) if upstream else status
    if status is None or status == HTTPStatus.OK:
        return kind or FailureReason.SERVER_ERROR
    return (by_status or {}).get(status) or reason_for_status(status)


def text_of(message: str) -> str:
    """Return the visible text. For a gateway's HTML page, this is its text without markup."""
    message = message[:_MAX_TEXT]
    if "<" not in message:
        return message
    return " ".join(unescape(_TAG.sub(" ", _UNSEEN.sub(" ", message))).split())


def _parts(words: Iterable[str]) -> Iterator[str]:
    """Yield each code and then its parts, most exact first.

    Examples: ``InternalError.Algo.DataInspectionFailed`` (DashScope),
    ``com.amazon.coral.service#ThrottlingException:http://...`` (AWS).
    """
    for whole in words:
        word = whole[:_MAX_WORD]
        yield plain(word)
        name = word.partition(":")[0]
        for part in reversed(re.split(r"[.#/]", name)):
            yield plain(part)


def _by_text(
    text: str, status: int | None, codes: Mapping[str, FailureReason]
) -> FailureReason | None:
    lowered = text.lower()
    for statuses, reason, phrases in _PHRASES:
        if status not in statuses or not any(phrase in lowered for phrase in phrases):
            continue
        if reason is FailureReason.NOT_READY and _CANNOT_LOAD.search(lowered):
            continue
        return reason
    if status in _WORDLESS_STATUSES:
        return _first(map(plain, _NAMED_ERROR.findall(text)), codes)
    return None


def _first(words: Iterable[str], table: Mapping[str, FailureReason]) -> FailureReason | None:
    return next((table[word] for word in words if word in table), None)
