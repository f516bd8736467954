"""The charts of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from exporter.compare.report.figures import seconds_text
from exporter.compare.report.svg import Axis, Frame, Point
from exporter.compare.sample import Sample
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Finding
from exporter.compare.statistics.measures import SuccessRatio, Value

_SHARES = tuple(number / 200 for number in range(1, 200))
_LOG_FROM_RATIO = 15.0
_MOST_POINTS = 500
_MANY_POINTS = 150
_FARTHEST = 7.0
"""The number of margins that a bar shows on each side."""
_DOT = 0.93
"""Keeps the dot from hiding the arrow of an interval that continues beyond the bar."""
_DAY_SECONDS = 86_400
_TIME_STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, _DAY_SECONDS)
_MOST_TIME_TICKS = 9


def style(report: Report, target: str) -> str:
    """Return the CSS class that gives a target the same color in every chart."""
    names = [party.name for party in report.subject.parties]
    return f"s{names.index(target) % 6}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A finding on a scale from -1 to 1, where better is to the right."""

    low: float
    middle: float
    high: float
    beyond_left: bool
    beyond_right: bool


BAR_MARGIN = 1 / _FARTHEST


def bar(finding: Finding) -> Bar | None:
    """Return where to draw a finding; ``None`` if it has no interval."""
    effect = finding.effect
    if not effect:
        return None
    low, middle, high = (_margins(finding, v) for v in (effect.low, effect.value, effect.high))
    if not finding.definition.higher_is_better:
        low, middle, high = -high, -middle, -low
    return Bar(
        low=_within(low),
        middle=_within(middle, _DOT),
        high=_within(high),
        beyond_left=low < -_FARTHEST,
        beyond_right=high > _FARTHEST,
    )


def _within(margins: float, edge: float = 1.0) -> float:
    return max(-edge, min(edge, margins / _FARTHEST))


def _margins(finding: Finding, effect: float) -> float:
    if isinstance(finding.definition.statistic, SuccessRatio):
        return effect / finding.margin
    return math.log(effect) / math.log1p(finding.margin) if effect > 0 else -math.inf


def distribution(report: Report, value: Value, label: str) -> str:
    """Draw the cumulative distribution of a time, one line for each target; empty without values.

    Failures take forever, so the line of a target that fails ends below 100 %.
    """
    answering = {tally.party.name: tally.success_ratio for tally in report.tallies}
    return _distribution(report, value, label, seconds_text, answering)


def distribution_of_answers(report: Report, value: Value, label: str) -> str:
    """Draw the cumulative distribution of a value that only answers have."""
    return _distribution(report, value, label, lambda v: f"{v:g}", {})


def _distribution(
    report: Report,
    value: Value,
    label: str,
    text: Callable[[float], str],
    heights: Mapping[str, float],
) -> str:
    """:param heights: by target, the height at which its line ends; the default is 1."""
    by_target = {
        party.name: sorted(
            known
            for sample in report.samples
            if sample.target == party.name and sample.counts
            if (known := value(sample))
        )
        for party in report.subject.parties
    }
    shown = {name: values for name, values in by_target.items() if len(values) > 1}
    if not shown:
        return ""
    low = min(values[0] for values in shown.values())
    high = max(_at(values, _SHARES[-1]) for values in shown.values())
    high = max(high, low * 1.01)
    log = high / low > _LOG_FROM_RATIO
    frame = Frame(
        Axis(low if log else 0.0, high, label, text, log),
        Axis(0.0, 1.0, "", lambda share: f"{share * 100:.0f} %", own_ticks=(0, 0.25, 0.5, 0.75, 1)),
    )
    lines = [
        frame.line(
            [(_at(values, share), share * heights.get(name, 1.0)) for share in _SHARES],
            style(report, name),
        )
        for name, values in shown.items()
    ]
    return frame.render(f"Distribution: {label}", *lines)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def course(report: Report, value: Value, label: str) -> str:
    """Draw the value of each probe over time, with strokes for failures; empty without values."""
    warm = [sample for sample in report.samples if sample.counts]
    points = {party.name: _course_of(warm, party.name, value) for party in report.subject.parties}
    highest = max((y for own in points.values() for _, y in own), default=0.0)
    if not highest:
        return ""
    times = [sample.finished_at for sample in warm]
    begin, end = min(times), max(times)
    frame = Frame(
        _time_axis(begin, max(end, begin + 1)),
        Axis(0.0, highest * 1.05, "", seconds_text),
        width=900,
        height=240,
    )
    parts = [
        frame.dots(own, style(report, name), 1.6 if len(own) > _MANY_POINTS else 2.4)
        for name, own in points.items()
    ]
    for name, changes in report.changes.items():
        spans = [(change.earliest, change.latest) for change in changes]
        parts += [frame.band(*span, f"change {style(report, name)}") for span in spans]
    for name in points:
        failures = [s.finished_at for s in warm if s.target == name and s.failure]
        shown = failures[:: math.ceil(len(failures) / _MOST_POINTS) or 1]
        parts.append(frame.strokes(shown, style(report, name)))
    return frame.render(f"Over time: {label}", *parts)


def _course_of(samples: Sequence[Sample], target: str, value: Value) -> list[Point]:
    """Return one point per probe, or per group of consecutive probes if there are many."""
    known = [
        (sample.finished_at, seconds)
        for sample in samples
        if sample.target == target and (seconds := value(sample))
    ]
    together = max(1, math.ceil(len(known) / _MOST_POINTS))
    return [
        (median(x for x, _ in group), median(y for _, y in group))
        for group in (known[at : at + together] for at in range(0, len(known), together))
    ]


def _time_axis(begin: float, end: float) -> Axis:
    """Return an axis with ticks at full seconds, minutes, hours or days."""
    step = next((s for s in _TIME_STEPS if (end - begin) / s <= _MOST_TIME_TICKS), _DAY_SECONDS)
    if step >= _DAY_SECONDS:
        form = "%d %b"
    elif end - begin > _DAY_SECONDS:
        form = "%d %b %H:%M"
    else:
        form = "%H:%M" if step >= 60 else "%H:%M:%S"
    ticks = tuple(float(at * step) for at in range(math.ceil(begin / step), int(end // step) + 1))
    return Axis(
        begin, end, "UTC", lambda at: f"{datetime.fromtimestamp(at, UTC):{form}}", own_ticks=ticks
    )
