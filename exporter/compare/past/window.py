"""Time ranges in the past, as given on the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.compare.errors import PartiesError
from exporter.settings.units import format_duration

DAY_SECONDS = 86_400.0
_WEEK_SECONDS = 7 * DAY_SECONDS
_FORMS = "2026-11-17 or 2026-11-17T14:00, in UTC unless an offset follows"


@dataclass(frozen=True, slots=True)
class Window:
    """One side of a comparison of past probes: a target in a time range."""

    name: str
    """The name of the side: the target's name if all sides have the same time range."""
    target: str
    begin: float
    end: float
    """Unix seconds."""
    text: str
    """A description of the time range."""


def same_time(targets: Sequence[str], since_seconds: float) -> tuple[Window, ...]:
    """Return several targets in one time range that ends now."""
    now = time.time()
    text = f"of the last {format_duration(since_seconds)}"
    return tuple(Window(name, name, now - since_seconds, now, text) for name in targets)


def before_and_after(target: str, when: str, since_seconds: float) -> tuple[Window, ...]:
    """Return one target before and after a date.

    Both sides are as long as the time since that date, and at most ``since_seconds`` long. If that
    is more than a day, it is rounded down to whole days, so that both sides cover the same hours of
    the day.

    :raises PartiesError: the text isn't a date in the past.
    """
    moment, now = moment_of(when), time.time()
    length = min(since_seconds, now - moment)
    if length <= 0:
        raise PartiesError(f"{when} is not in the past; there is nothing after it to compare")
    if length > DAY_SECONDS:
        length -= length % DAY_SECONDS
    spans = ((moment - length, moment), (moment, moment + length))
    return tuple(_window(target, begin, end) for begin, end in spans)


def rhythm_between(sides: Sequence[Window]) -> str:
    """Describe how daily and weekly rhythms affect a difference between these time ranges.

    Empty if all ranges are the same.
    """
    if len({(side.begin, side.end) for side in sides}) == 1:
        return ""
    if _cover_different(sides, DAY_SECONDS):
        return (
            "They do not cover the same hours of the day, so a daily rhythm is part of it as well."
        )
    same_hours = "They cover the same hours of the day."
    if _cover_different(sides, _WEEK_SECONDS):
        return (
            f"{same_hours} The days of the week differ, so a weekly rhythm is part of it as well."
        )
    return same_hours


def _cover_different(sides: Sequence[Window], period: float) -> bool:
    """Whether a rhythm with this period affects the sides differently."""
    if all((side.end - side.begin) % period == 0 for side in sides):
        return False
    return len({(side.begin % period, side.end - side.begin) for side in sides}) > 1


def windows_of(target: str, texts: Sequence[str]) -> tuple[Window, ...]:
    """Parse time ranges of one target, such as ``2026-11-10..2026-11-17``.

    :raises PartiesError: a text isn't a time range, or two are the same.
    """
    windows = []
    for text in texts:
        begin, dots, end = text.partition("..")
        if not dots or not moment_of(begin) < moment_of(end):
            raise PartiesError(f"{text!r} is not a time range; write FROM..TO, each as {_FORMS}")
        windows.append(_window(target, moment_of(begin), moment_of(end)))
    if len({window.name for window in windows}) < len(windows):
        raise PartiesError("two windows are the same; compare different ones")
    return tuple(windows)


def moment_of(text: str) -> float:
    """Parse a date into Unix seconds; without an offset it is in UTC.

    :raises PartiesError: the text isn't a date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PartiesError(f"{text!r} is not a date; write {_FORMS}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _window(target: str, begin: float, end: float) -> Window:
    text = f"from {_date(begin)} to {_date(end)}"
    return Window(f"{target} {text}", target, begin, end, text)


def _date(moment: float) -> str:
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when:%Y-%m-%d}" if moment % DAY_SECONDS < 1 else f"{when:%Y-%m-%d %H:%M}"
