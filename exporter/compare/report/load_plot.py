"""Latency against throughput: one line per target, one dot per level."""

from __future__ import annotations

from html import escape

from exporter.compare.report.figures import seconds_text
from exporter.compare.report.plots import style
from exporter.compare.report.svg import Axis, Frame, Point
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.measures import DEFINITIONS, Measure

_LOG_FROM_RATIO = 15.0
_ROOM = 1.08


def latency_by_throughput(report: Report, measure: Measure) -> str:
    """Draw the chart; empty if no level has both figures."""
    lines = {party.name: _line(report, party.name, measure) for party in report.subject.parties}
    points = [(x, y) for line in lines.values() for x, y, _ in line]
    if not points:
        return ""
    rates, times = zip(*points, strict=True)
    low, high = min(times), max(times)
    log = high / low > _LOG_FROM_RATIO
    frame = Frame(
        Axis(0.0, _ROOM * max(rates), "output tokens/s of all streams", lambda rate: f"{rate:g}"),
        Axis(low / _ROOM if log else 0.0, high * _ROOM, "", seconds_text, log),
    )
    drawn = []
    for name, line in lines.items():
        places = [(x, y) for x, y, _ in line]
        color = style(report, name)
        drawn += [frame.line(places, color), frame.dots(places, color, 3.5)]
        drawn += [_label(frame, (x, y), f"{streams}", color) for x, y, streams in line]
    return frame.render(f"{DEFINITIONS[measure].short} against throughput", *drawn)


def _line(report: Report, target: str, measure: Measure) -> list[tuple[float, float, int]]:
    sides = (
        ((level.streams, level.side(target)) for level in report.load.levels) if report.load else ()
    )
    return [
        (side.tokens_per_second.value, side.times[measure].value, streams)
        for streams, side in sides
        if side and side.tokens_per_second and measure in side.times
    ]


def _label(frame: Frame, point: Point, text: str, color: str) -> str:
    x, y = frame.place(point)
    return f'<text class="level {color}" x="{x + 5}" y="{y - 5}">{escape(text)}</text>'
