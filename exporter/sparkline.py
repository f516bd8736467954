"""A plan's recent past as a small drawing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.status import HISTORY_LENGTH, Sample

_STEP = 2
WIDTH = HISTORY_LENGTH * _STEP
HEIGHT = 22


@dataclass(frozen=True, slots=True)
class Sparkline:
    """SVG path data of times to first token, newest at the right edge, zero at the bottom."""

    line: str
    """The times of successes; interrupted by failures."""
    failures: str
    """A stroke from top to bottom for each failure."""
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
            failures="".join(
                f"M{left + index * _STEP} 0v{HEIGHT}"
                for index, sample in enumerate(history)
                if sample.failure_reason
            ),
            description=_describe(history),
        )


def _times(history: Sequence[Sample]) -> list[float | None]:
    return [None if s.failure_reason else s.time_to_first_token_seconds for s in history]


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
    failed = sum(sample.failure_reason is not None for sample in history)
    text = f"last {len(history)} probes: {failed} failed"
    if times:
        low, middle, high = (
            f"{t:.3g} s" for t in (min(times), statistics.median(times), max(times))
        )
        text += f"; time to first token from {low} to {high}, median {middle}"
    return text
