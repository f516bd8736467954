"""Complete answers with an error status."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.result import FailureReason as R
from tests.chaos.script import Behaviour, body

STATUSES = {
    R.AUTH: (401, 403, 407),
    R.QUOTA: (402,),
    R.NOT_FOUND: (404, 405, 410),
    R.BAD_REQUEST: (400, 409, 413, 415, 422, 501),
    R.RATE_LIMITED: (429,),
    R.OVERLOADED: (450, 498, 503, 529),
    R.CONTENT_FILTER: (451,),
    R.SERVER_ERROR: (
        408, 424, 499, 500, 502, 504, 505, 507, 508, 509, 511,
        520, 521, 522, 523, 524, 525, 526, 527, 530, 540, 561, 598, 599,
    ),
    R.UNEXPECTED_STATUS: (
        201, 202, 203, 204, 205, 206, 207, 300, 301, 302, 303, 304, 305, 307, 308, 399,
        406, 411, 414, 416, 417, 418, 421, 423, 425, 426, 428, 431, 444, 600, 700, 999,
    ),
}  # fmt: skip


def statuses() -> Iterator[Behaviour]:
    """Yield every status that was seen, and some that are invalid."""
    for reason, codes in STATUSES.items():
        for code in codes:
            data = b"" if code in (204, 205, 304) else b"no"
            yield Behaviour(f"status {code}", body(data, status=code), (reason,))
    for code in (301, 302, 303, 307, 308):
        for place in (b"/elsewhere", b"http://169.254.169.254/", b"javascript:1", b"\xff", b""):
            moved = body(b"", b"location: " + place, status=code)
            yield Behaviour(f"{code} to {place!r}", moved, (R.UNEXPECTED_STATUS,))


RETRY_AFTER: dict[str, float | None] = {
    "0": 0.0,
    "7": 7.0,
    "7.5": 7.5,
    "-7": 0.0,
    "soon": None,
    "": None,
    "99999999999999999999": 1e20,  # too long; pauses are limited
    "NaN": None,
    "inf": None,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0.0,
    "Thu, 99 Jan 1970 00:00:00 GMT": None,
}


def retries() -> Iterator[Behaviour]:
    """Yield ``Retry-After`` in every form."""
    for value in RETRY_AFTER:
        limited = body(b"slow", b"retry-after: " + value.encode(), status=429)
        yield Behaviour(f"retry after {value!r}", limited, (R.RATE_LIMITED,))
