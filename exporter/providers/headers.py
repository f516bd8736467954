"""Response headers that many providers use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from exporter.providers.base import ResponseHead
from exporter.result import RateLimit, Usage

_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
"""The first is used by OpenAI and Azure, the second by other Azure services."""

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
    """Return how long the provider asks clients to wait: the longest time in its headers.

    ``retry-after`` is a number of seconds or a date (RFC 9110 section 10.2.3). A date is relative
    to the response's own ``date``, or else to the time when the head was read. If ``retry-after``
    is only the rounded-up value of a milliseconds header, the milliseconds are used.
    """
    milliseconds = longest(*(finite(head.headers.get(name)) for name in _MILLISECONDS))
    fine = None if milliseconds is None else max(0.0, milliseconds / 1000)
    coarse = longest(*_waits(head))
    if fine is not None and coarse is not None and coarse == math.ceil(fine):
        return fine
    return longest(fine, coarse)


def is_identity(content_encoding: str) -> bool:
    """Return whether a body is unencoded. Some servers use values that the standard doesn't
    define."""
    words = content_encoding.lower().replace(" ", "").split(",")
    return set(words) <= {"", "identity", "none"}


def longest(*seconds: float | None) -> float | None:
    """Return the longest of the known waits."""
    return max((length for length in seconds if length is not None), default=None)


def delay_in_text(text: str) -> float | None:
    """Return the seconds that an error's text asks clients to wait.

    Examples: "Please try again in 1m26.4s" (OpenAI, Groq), "retry after 32 seconds" (Azure), or
    just ``17s`` (Google).
    """
    wait = _WAIT.search(text)
    lengths = wait[1] if wait else text.strip()
    if not wait and not _LENGTHS.fullmatch(lengths):
        return None
    return sum(float(number) * _unit(unit) for number, unit in _ONE_LENGTH.findall(lengths))


def usage_in_headers(headers: Mapping[str, str]) -> Usage | None:
    """Return the token count, if the headers have both of its parts.

    TGI sends ``x-prompt-tokens`` and ``x-generated-tokens``. Bedrock sends
    ``x-amzn-bedrock-input-token-count`` and ``x-amzn-bedrock-output-token-count``.
    """
    read, generated = _count_in(headers, _INPUT_COUNT), _count_in(headers, _OUTPUT_COUNT)
    return None if read is None or generated is None else Usage(input=read, output=generated)


def _count_in(headers: Mapping[str, str], name: re.Pattern[str]) -> int | None:
    for header, value in headers.items():
        found = name.search(header)
        if found and found.end() == len(header) and not any(word in header for word in _NO_COUNT):
            number = finite(value)
            if number is not None and 0 <= number < _MANY:
                return int(number)
    return None


def rate_limits(headers: Mapping[str, str], prefix: str = "x-ratelimit-") -> tuple[RateLimit, ...]:
    """Return the limits in ``x-ratelimit-limit-requests`` and related headers.

    If a limit has several periods (Cerebras: ``-tokens-minute``, ``-requests-day``), return the
    tightest one.
    """
    limits = (_tightest(headers, prefix, resource) for resource in ("requests", "tokens"))
    return tuple(limit for limit in limits if limit)


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
    """Return the remaining share of a limit, or 1 if it is unknown."""
    if not limit.limit or limit.remaining is None:
        return 1.0
    return limit.remaining / limit.limit


def rate_limit(resource: str, limit: str | None, remaining: str | None) -> RateLimit | None:
    """Return the limit that two headers describe. A negative value means unknown (seen on
    Azure)."""
    of_limit, of_remaining = _not_negative(limit), _not_negative(remaining)
    if of_limit is None and of_remaining is None:
        return None
    return RateLimit(resource, of_limit, of_remaining)


def finite(text: str | None) -> float | None:
    """Return the number in a header, or ``None`` if it isn't a number."""
    if text is None:
        return None
    text = text.strip()  # float() doesn't remove all that strip() does
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _waits(head: ResponseHead) -> Iterator[float]:
    """Yield the waits in ``retry-after``. A proxy may have added a second value to the list."""
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
    """Parse an HTTP date in any of its three forms, or an ISO 8601 date with a time."""
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
