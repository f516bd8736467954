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
    """One side of a comparison of the past: a target in a span of time."""

    name: str
    """Of the side; the target's own, where all sides are from the same time."""
    target: str
    begin: float
    end: float
    """Unix seconds."""
    text: str
    """When that is, in words."""


def same_time(targets: Sequence[str], since_seconds: float) -> tuple[Window, ...]:
    """Several targets until now."""
    now = time.time()
    text = f"of the last {format_duration(since_seconds)}"
    return tuple(Window(name, name, now - since_seconds, now, text) for name in targets)


def before_and_after(target: str, when: str, since_seconds: float) -> tuple[Window, ...]:
    """One target before and after a moment, for as long as there is time since, and at most
    ``since_seconds``; for whole days, if it is more than one, so that both sides have the same
    hours of the day.

    :raises PartiesError: that is no moment in the past.
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
    """What of a rhythm is in a difference between these spans, in words; empty where they are the
    same."""
    if len({(side.begin, side.end) for side in sides}) == 1:
        return ""
    if _cover_different(sides, DAY_SECONDS):
        return (
            "They do not cover the same hours of the day, so a daily rhythm is part of it as well."
        )
    same_hours = "Hours of the day are compared with the same hours."
    if _cover_different(sides, _WEEK_SECONDS):
        return (
            f"{same_hours} The days of the week differ, so a weekly rhythm is part of it as well."
        )
    return same_hours


def _cover_different(sides: Sequence[Window], period: float) -> bool:
    """Whether a rhythm with this period does not meet all sides alike."""
    if all((side.end - side.begin) % period == 0 for side in sides):
        return False
    return len({(side.begin % period, side.end - side.begin) for side in sides}) > 1


def windows_of(target: str, texts: Sequence[str]) -> tuple[Window, ...]:
    """One target in spans such as ``2026-11-10..2026-11-17``.

    :raises PartiesError: a text is no span.
    """
    windows = []
    for text in texts:
        begin, dots, end = text.partition("..")
        if not dots or not moment_of(begin) < moment_of(end):
            raise PartiesError(f"{text!r} is no span of time; write FROM..TO, each as {_FORMS}")
        windows.append(_window(target, moment_of(begin), moment_of(end)))
    if len({window.name for window in windows}) < len(windows):
        raise PartiesError("two windows are the same; compare different ones")
    return tuple(windows)


def moment_of(text: str) -> float:
    """Unix seconds.

    :raises PartiesError: it is no date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PartiesError(f"{text!r} is no date; write {_FORMS}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _window(target: str, begin: float, end: float) -> Window:
    text = f"from {_date(begin)} to {_date(end)}"
    return Window(f"{target} {text}", target, begin, end, text)


def _date(moment: float) -> str:
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when:%Y-%m-%d}" if moment % DAY_SECONDS < 1 else f"{when:%Y-%m-%d %H:%M}"
