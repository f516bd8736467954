"""Response headers that many providers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from exporter.result import RateLimit


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to be left alone.

    ``retry-after-ms`` (OpenAI, Azure) is the finer one and wins; ``retry-after`` is seconds or
    a date (RFC 9110 section 10.2.3). A date is read against the response's own ``date``, so that
    no clock of ours is needed.
    """
    milliseconds = finite(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = finite(value)
    if seconds is None:
        seconds = _seconds_between_dates(headers.get("date"), value)
    return None if seconds is None else max(0.0, seconds)


def rate_limits(headers: Mapping[str, str], prefix: str = "x-ratelimit-") -> tuple[RateLimit, ...]:
    """``x-ratelimit-limit-requests`` and its siblings."""
    told = (
        rate_limit(
            resource,
            headers.get(f"{prefix}limit-{resource}"),
            headers.get(f"{prefix}remaining-{resource}"),
        )
        for resource in ("requests", "tokens")
    )
    return tuple(limit for limit in told if limit)


def rate_limit(resource: str, limit: str | None, remaining: str | None) -> RateLimit | None:
    """What two headers say of one resource; a value below zero means unknown (seen on Azure) and
    is left out."""
    of_limit, of_remaining = _not_negative(limit), _not_negative(remaining)
    if of_limit is None and of_remaining is None:
        return None
    return RateLimit(resource, of_limit, of_remaining)


def finite(text: str | None) -> float | None:
    """The number that a header holds, if it holds one."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _not_negative(text: str | None) -> float | None:
    number = finite(text)
    return number if number is not None and number >= 0 else None


def _seconds_between_dates(earlier: str | None, later: str | None) -> float | None:
    try:
        start, end = parsedate_to_datetime(earlier or ""), parsedate_to_datetime(later or "")
        return (end - start).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
