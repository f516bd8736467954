"""Formats numbers with their units."""

from __future__ import annotations

from collections.abc import Callable

from exporter.compare.statistics.findings import Finding
from exporter.compare.statistics.measures import SuccessRatio, Unit
from exporter.settings.units import format_duration

_ROUNDED_SECOND = 0.9995
"""From here on, three digits round to a second."""
_FACTORS_FROM = 2.0
"""From this ratio on, a factor is easier to understand than a percentage."""


def margin_text(finding: Finding) -> str:
    if isinstance(finding.definition.statistic, SuccessRatio):
        return f"{finding.margin * 100:g} pp"
    return f"{finding.margin * 100:.3g} %"


def value_text(finding: Finding, value: float | None) -> str:
    """Format a value, with its unit unless the measure's title contains it."""
    if value is None:
        return "-"
    match finding.definition.unit:
        case Unit.SECONDS:
            return seconds_text(value)
        case Unit.SHARE:
            return share_text(value)
        case Unit.USD:
            return usd_text(value)
        case Unit.TOKENS_PER_SECOND:
            return count_text(value)


def seconds_text(seconds: float) -> str:
    """Format a duration with three digits, because samples aren't more precise."""
    if seconds < _ROUNDED_SECOND:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else format_duration(round(seconds))


def count_text(count: float) -> str:
    """Format a number with three digits, but never with an exponent or a rounded integer part."""
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def share_text(share: float) -> str:
    return f"{share * 100:.1f} %"


def usd_text(usd: float) -> str:
    return f"{usd:,.2f}" if usd >= 0.1 else f"{usd:.2g}"


def ratio_text(ratio: float) -> str:
    """Format a ratio as a change: ``-34 %`` or ``2.5 times``."""
    return _factor(ratio) if ratio >= _FACTORS_FROM else _percent(ratio)


def change_texts(finding: Finding) -> tuple[str, str]:
    """Format the change and its interval, both as percentages or both as factors.

    A share changes by percentage points (pp). Without an effect, both texts are empty.
    """
    effect = finding.effect
    if effect is None:
        return "", ""
    form: Callable[[float], str] = _percent
    if isinstance(finding.definition.statistic, SuccessRatio):
        form = _points
    elif effect.high >= _FACTORS_FROM:
        form = _factor
    return form(effect.value), _span(form(effect.low), form(effect.high))


def _points(difference: float) -> str:
    return f"{difference * 100:+.1f} pp"


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.{1 if abs(ratio - 1) < 0.1 else 0}f} %"


def _factor(ratio: float) -> str:
    return f"{count_text(ratio)} times"


def _span(low: str, high: str) -> str:
    """Format an interval with the unit once, such as ``-47 to -32 %``."""
    return f"{low.partition(' ')[0]} to {high}"
