"""A plan's recent past as a small drawing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.result import FailureReason
from exporter.site.status import HISTORY_LENGTH, Sample

_STEP = 2
WIDTH = HISTORY_LENGTH * _STEP
HEIGHT = 22


@dataclass(frozen=True, slots=True)
class Sparkline:
    """SVG path data of times to first token, newest at the right edge, zero at the bottom."""

    line: str
    """The times of successes; interrupted by failures."""
    failures: str
    """A stroke from top to bottom for each failure of a model that was ready."""
    colds: str
    """The same for each answer of a cold model, whose time would dwarf the warm ones, and for each
    that found the model not ready."""
    description: str
    """The same in words."""

    @classmethod
    def of(cls, history: Sequence[Sample]) -> Sparkline | None:
        """``None`` while there is nothing to draw."""
        if not history:
            return None
        left = WIDTH - len(history) * _STEP + _STEP // 2
        return cls(
            line=_line(history, left),
            failures=_strokes([_has_failed(sample) for sample in history], left),
            colds=_strokes([_is_cold(sample) for sample in history], left),
            description=_describe(history),
        )


def _is_cold(sample: Sample) -> bool:
    if sample.failure_reason:
        return sample.failure_reason is FailureReason.NOT_READY
    return sample.cold


def _has_failed(sample: Sample) -> bool:
    return sample.failure_reason is not None and not _is_cold(sample)


def _times(history: Sequence[Sample]) -> list[float | None]:
    """The times of the warm successes."""
    return [None if s.failure_reason or s.cold else s.time_to_first_token_seconds for s in history]


def _strokes(where: Sequence[bool], left: int) -> str:
    return "".join(
        f"M{left + index * _STEP} 0v{HEIGHT}" for index, here in enumerate(where) if here
    )


def _line(history: Sequence[Sample], left: int) -> str:
    times = _times(history)
    top = max((time for time in times if time is not None), default=0.0) or 1.0
    path: list[str] = []
    pen_down = False
    for index, time in enumerate(times):
        if time is not None:
            x, y = left + index * _STEP, HEIGHT - 1 - round(time / top * (HEIGHT - 3))
            path.append(f"{'L' if pen_down else 'M'}{x} {y}" + ("" if pen_down else "h0"))
        pen_down = time is not None
    return "".join(path)


def _describe(history: Sequence[Sample]) -> str:
    times = [time for time in _times(history) if time is not None]
    failed = sum(map(_has_failed, history))
    text = f"last {len(history)} probes: {failed} failed"
    if cold := sum(map(_is_cold, history)):
        text += f", {cold} cold or not ready"
    if times:
        low, middle, high = (
            f"{t:.3g} s" for t in (min(times), statistics.median(times), max(times))
        )
        text += f"; time to first token from {low} to {high}, median {middle}"
    return text
