"""Draws probes as timelines, all on one scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from exporter.site.details import ProbeDetails, Trace
from exporter.site.words import seconds

WIDTH = 1000
"""Of a drawing; a browser stretches it."""

_STALL_MICROSECONDS = 50_000
_STALL_TIMES = 4
"""A stall is a gap longer than this, and this many times the usual gap of its stream."""
_LEAST_DOUBT = 1.0
"""Anything narrower would be invisible."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time."""

    kind: str
    """Its class in the style sheet, and its name in the legend."""
    x: float
    width: float
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the scale."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """From microseconds to the width of a drawing."""

    longest: int

    @classmethod
    def of(cls, kept: Iterable[ProbeDetails]) -> Scale:
        return cls(max((_length(each.trace) for each in kept), default=0) or 1)

    def x(self, microseconds: float) -> float:
        return round(microseconds / self.longest * WIDTH, 2)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Round moments, at most six."""
        rough = self.longest / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= rough)
        count = int(self.longest / step)
        return tuple(Mark(self.x(n * step), _label(n * step)) for n in range(count + 1))


@dataclass(frozen=True, slots=True)
class Drawing:
    """One probe."""

    bars: tuple[Bar, ...]
    arrivals: str
    """SVG path data: a stroke for each read with output."""
    end: float | None
    doubt: tuple[Bar, ...]
    """The uncertainty of the first token and the end, if visible."""
    given_up: float | None
    """Where a failed probe ended."""
    description: str
    """The same in words."""

    @classmethod
    def of(cls, kept: ProbeDetails, scale: Scale) -> Drawing:
        trace = kept.trace
        bars = tuple(
            Bar(kind, scale.x(begin), scale.x(end) - scale.x(begin), f"{kind} {_time(end - begin)}")
            for kind, begin, end in _spans(trace)
            if end > begin
        )
        return cls(
            bars=bars,
            arrivals="".join(f"M{scale.x(at)} 3v18" for at in trace.arrivals),
            end=None if trace.end is None else scale.x(trace.end),
            doubt=tuple(_doubt(trace, scale)),
            given_up=scale.x(_length(trace)) if kept.failure else None,
            description=_describe(kept, bars),
        )


def _length(trace: Trace) -> int:
    """The length of the drawing in microseconds."""
    marks = (trace.end, trace.over if trace.end is None else None, trace.last_token, trace.sent)
    return max((mark for mark in marks if mark is not None), default=0)


def _spans(trace: Trace) -> Iterator[tuple[str, int, int]]:
    at = 0
    for kind, length in (("dns", trace.dns), ("tcp", trace.tcp), ("tls", trace.tls)):
        if length is not None:
            yield kind, at, at + length
            at += length
    over = _length(trace)
    if trace.sent is None:
        if over > at:
            yield "connect", at, over
        return
    yield "send", at, trace.sent
    first = trace.first_token if trace.first_token is not None else over
    yield "wait", trace.sent, first
    if trace.first_token is None:
        return
    last = max(trace.arrivals, default=first)
    yield "stream", first, last
    if stall := _stall(trace.arrivals, trace.uncertainty or 0):
        yield "stall", *stall
    yield "rest", last, over


def _stall(arrivals: Sequence[int], uncertainty: int) -> tuple[int, int] | None:
    """The longest gap, if it is disproportionate and exceeds the uncertainty."""
    gaps = sorted((later - earlier, earlier, later) for earlier, later in pairwise(arrivals))
    if len(gaps) < 2:
        return None
    usual, (longest, begin, end) = gaps[len(gaps) // 2][0], gaps[-1]
    least = max(_STALL_MICROSECONDS, _STALL_TIMES * usual, 2 * uncertainty)
    return (begin, end) if longest > least else None


def _doubt(trace: Trace, scale: Scale) -> Iterator[Bar]:
    if trace.uncertainty is None or scale.x(trace.uncertainty) < _LEAST_DOUBT:
        return
    for mark in (trace.first_token, trace.end):
        if mark is not None:
            begin = scale.x(max(0, mark - trace.uncertainty))
            width = scale.x(mark) - begin
            yield Bar("doubt", begin, width, f"up to {_time(trace.uncertainty)} earlier")


def _describe(kept: ProbeDetails, bars: Iterable[Bar]) -> str:
    chunks = len(kept.trace.arrivals)
    said = [bar.says for bar in bars if bar.kind != "send"]
    if chunks:
        said.append(f"{chunks} chunk{'s' if chunks > 1 else ''}")
    outcome = f"failed: {kept.failure.reason}" if kept.failure else "succeeded"
    return ", ".join([outcome, *said])


def _time(microseconds: float) -> str:
    return seconds(microseconds / 1e6)


def _label(microseconds: float) -> str:
    if microseconds == 0:
        return "0"
    if microseconds < 1e6:
        return f"{microseconds / 1e3:g} ms"
    return f"{microseconds / 1e6:g} s"
