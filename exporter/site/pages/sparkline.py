"""Draws the recent history of a plan as a sparkline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.result import FailureReason
from exporter.site.past import HISTORY_LENGTH, PastProbe
from exporter.site.words import seconds

_STEP = 2
WIDTH = HISTORY_LENGTH * _STEP
HEIGHT = 22


@dataclass(frozen=True, slots=True)
class Sparkline:
    """SVG path data of times, newest at the right edge, zero at the bottom."""

    line: str
    """The times of successes; interrupted by failures."""
    failures: str
    """A stroke from top to bottom for each failure of a model that was ready."""
    colds: str
    """A stroke for each cold start, whose time would dwarf the others, and for each probe that
    found the model not ready."""
    top: str
    """The time at the upper edge; empty if there is none."""
    limit: float | None
    """The y coordinate of the objective's threshold, if it is within the drawing."""
    description: str
    """A text for screen readers."""

    @classmethod
    def of(
        cls, history: Sequence[PastProbe], threshold_seconds: float | None = None
    ) -> Sparkline | None:
        """``None`` if there is nothing to draw."""
        if not history:
            return None
        left = WIDTH - len(history) * _STEP + _STEP // 2
        times = [probe.warm_seconds for probe in history]
        top = max((time for time in times if time is not None), default=0.0)
        limit = threshold_seconds if threshold_seconds and threshold_seconds <= top else None
        return cls(
            line=_line(times, top or 1.0, left),
            failures=_strokes([_has_failed(probe) for probe in history], left),
            colds=_strokes([_is_cold(probe) for probe in history], left),
            top=seconds(top) if top else "",
            limit=_height(limit, top) if limit else None,
            description=_describe(history),
        )


def _is_cold(probe: PastProbe) -> bool:
    if probe.failure_reason:
        return probe.failure_reason is FailureReason.NOT_READY
    return probe.cold


def _has_failed(probe: PastProbe) -> bool:
    return probe.failure_reason is not None and not _is_cold(probe)


def _strokes(where: Sequence[bool], left: int) -> str:
    return "".join(
        f"M{left + index * _STEP} 0v{HEIGHT}" for index, here in enumerate(where) if here
    )


def _height(time: float, top: float) -> int:
    return HEIGHT - 1 - round(time / top * (HEIGHT - 3))


def _line(times: Sequence[float | None], top: float, left: int) -> str:
    path: list[str] = []
    pen_down = False
    for index, time in enumerate(times):
        if time is not None:
            x, y = left + index * _STEP, _height(time, top)
            path.append(f"{'L' if pen_down else 'M'}{x} {y}" + ("" if pen_down else "h0"))
        pen_down = time is not None
    return "".join(path)


def _describe(history: Sequence[PastProbe]) -> str:
    times = [time for probe in history if (time := probe.warm_seconds) is not None]
    failed = sum(map(_has_failed, history))
    text = f"last {len(history)} probes: {failed} failed"
    if cold := sum(map(_is_cold, history)):
        text += f", {cold} cold or not ready"
    if times:
        low, middle, high = (
            f"{t:.3g} s" for t in (min(times), statistics.median(times), max(times))
        )
        text += f"; times from {low} to {high}, median {middle}"
    return text
