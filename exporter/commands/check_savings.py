"""What ``kind: models`` saves: frequent probes without tokens, rare probes with tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from exporter.budget.forecast import NOTHING, by_target, forecast
from exporter.config.plan import Plan
from exporter.kinds import Kind
from exporter.settings.units import format_duration

_RARE_SECONDS = 600.0
_FREQUENT_SECONDS = 60
_MOST_TARGETS = 5
_LEAST_USD = Decimal("0.01")


def savings(plans: Iterable[Plan]) -> Iterator[str]:
    """The savings per day, the largest first. Savings below one cent are left out."""
    found = sorted(_by_target(plans), key=lambda one: one[1] - one[2], reverse=True)
    if not found:
        return
    now, then = (sum((one[place] for one in found), Decimal()) for place in (1, 2))
    yield (
        f"Cheaper: kind: models every {format_duration(_FREQUENT_SECONDS)}, which is free, and"
        f" probes that use tokens every {format_duration(_RARE_SECONDS)}:"
        f" {then:.2f} instead of {now:.2f} USD per day."
    )
    for name, before, after in found[:_MOST_TARGETS]:
        yield f"  {name}: {after:.2f} instead of {before:.2f}"
    if (left := len(found) - _MOST_TARGETS) > 0:
        yield f"  and {left} more"


def _by_target(plans: Iterable[Plan]) -> Iterator[tuple[str, Decimal, Decimal]]:
    for of_target, now in by_target(plans):
        target = of_target[0].target
        if now.usd is None or Kind.MODELS not in target.row.kinds:
            continue
        then = sum((forecast(_rare(plan)) for plan in of_target), NOTHING).usd or Decimal()
        if now.usd - then >= _LEAST_USD:
            yield target.name, now.usd, then


def _rare(plan: Plan) -> Plan:
    if plan.probe.size is None:
        return plan
    return replace(plan, interval_seconds=max(plan.interval_seconds, _RARE_SECONDS))
