"""Response headers that many providers share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from exporter.providers.base import ResponseHead
from exporter.result import RateLimit, Usage

_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
"""OpenAI and Azure; other services of Azure."""

_INPUT_COUNT = re.compile(r"(?:input|prompt)-tokens?(?:-count)?")
_OUTPUT_COUNT = re.compile(r"(?:output|completion|generated)-tokens?(?:-count)?")
_NO_COUNT = ("limit", "remaining", "reset", "max", "cache")
_MANY = 1 << 53

_PERIODS = ("", "-minute", "-hour", "-day", "-per-minute", "-per-day")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = (
    r"(\d{1,9}(?:\.\d{1,9})?) ?"
    r"(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
)
_ONE_LENGTH = re.compile(_LENGTH, re.IGNORECASE)
_LENGTHS = re.compile(rf"(?:{_LENGTH} ?)+", re.IGNORECASE)
_WAIT = re.compile(
    rf"\b(?:try again|retry|wait)\b[^0-9\n]{{0,24}}((?:{_LENGTH} ?)+)", re.IGNORECASE
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def retry_after_seconds(head: ResponseHead) -> float | None:
    """How long the provider asks to be left alone: the longest that its headers say.

    ``retry-after`` is seconds or a date (RFC 9110 section 10.2.3). A date is read against the
    response's own ``date``, else against the time at which the head was read. Where
    ``retry-after`` only rounds up the milliseconds beside it, these say the same more finely.
    """
    milliseconds = longest(*(finite(head.headers.get(name)) for name in _MILLISECONDS))
    fine = None if milliseconds is None else max(0.0, milliseconds / 1000)
    coarse = longest(*_waits(head))
    if fine is not None and coarse is not None and coarse == math.ceil(fine):
        return fine
    return longest(fine, coarse)


def is_identity(content_encoding: str) -> bool:
    """Whether a body is as it is: some servers say so in words that the standard does not have."""
    words = content_encoding.lower().replace(" ", "").split(",")
    return set(words) <= {"", "identity", "none"}


def longest(*seconds: float | None) -> float | None:
    """The longest of the waits that are known."""
    return max((length for length in seconds if length is not None), default=None)


def delay_in_text(text: str) -> float | None:
    """The seconds that an error's text asks to wait, as "Please try again in 1m26.4s" (OpenAI,
    Groq), "retry after 32 seconds" (Azure), or that are all of it: ``17s`` (Google)."""
    told = _WAIT.search(text)
    lengths = told[1] if told else text.strip()
    if not told and not _LENGTHS.fullmatch(lengths):
        return None
    return sum(float(number) * _unit(unit) for number, unit in _ONE_LENGTH.findall(lengths))


def usage_in_headers(headers: Mapping[str, str]) -> Usage | None:
    """The token count, where both of its parts stand in headers: TGI's ``x-prompt-tokens`` and
    ``x-generated-tokens``, Bedrock's ``x-amzn-bedrock-input-token-count`` and its sibling."""
    told, made = _count_in(headers, _INPUT_COUNT), _count_in(headers, _OUTPUT_COUNT)
    return None if told is None or made is None else Usage(input=told, output=made)


def _count_in(headers: Mapping[str, str], name: re.Pattern[str]) -> int | None:
    for header, value in headers.items():
        found = name.search(header)
        if found and found.end() == len(header) and not any(word in header for word in _NO_COUNT):
            number = finite(value)
            if number is not None and 0 <= number < _MANY:
                return int(number)
    return None


def rate_limits(headers: Mapping[str, str], prefix: str = "x-ratelimit-") -> tuple[RateLimit, ...]:
    """``x-ratelimit-limit-requests`` and its siblings. Where a limit is told for several lengths
    of time (Cerebras: ``-tokens-minute``, ``-requests-day``), the tightest stands for all."""
    told = (_tightest(headers, prefix, resource) for resource in ("requests", "tokens"))
    return tuple(limit for limit in told if limit)


def _tightest(headers: Mapping[str, str], prefix: str, resource: str) -> RateLimit | None:
    limits = (
        rate_limit(
            resource,
            headers.get(f"{prefix}limit-{resource}{per}"),
            headers.get(f"{prefix}remaining-{resource}{per}"),
        )
        for per in _PERIODS
    )
    return min((limit for limit in limits if limit), key=share_left, default=None)


def share_left(limit: RateLimit) -> float:
    """What share of a limit is left; all of it where that is not told."""
    if not limit.limit or limit.remaining is None:
        return 1.0
    return limit.remaining / limit.limit


def rate_limit(resource: str, limit: str | None, remaining: str | None) -> RateLimit | None:
    """What two headers say of one resource; a value below zero means unknown (seen on Azure) and
    is left out."""
    of_limit, of_remaining = _not_negative(limit), _not_negative(remaining)
    if of_limit is None and of_remaining is None:
        return None
    return RateLimit(resource, of_limit, of_remaining)


def finite(text: str | None) -> float | None:
    """The number that a header holds, if it holds one."""
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _waits(head: ResponseHead) -> Iterator[float]:
    """What ``retry-after`` says; a proxy may have added one, and then they stand in one list."""
    value = head.headers.get("retry-after")
    if value is None:
        return
    if moment := _moment(value):
        now = _moment(head.headers.get("date")) or head.read_at
        if now:
            yield max(0.0, (moment - now).total_seconds())
        return
    for part in value.split(","):
        seconds = finite(part)
        seconds = delay_in_text(part) if seconds is None else seconds
        if seconds is not None:
            yield max(0.0, seconds)


def _unit(unit: str) -> float:
    unit = unit.lower()
    return _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]]


def _not_negative(text: str | None) -> float | None:
    number = finite(text)
    return number if number is not None and number >= 0 else None


def _moment(text: str | None) -> datetime | None:
    """An HTTP date, in any of its three forms, or an ISO 8601 one with a day and a time."""
    text = (text or "").strip()
    try:
        moment = (
            datetime.fromisoformat(text)
            if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:", text, re.ASCII)
            else parsedate_to_datetime(text)
        )
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
