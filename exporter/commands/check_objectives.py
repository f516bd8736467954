"""Finds objectives that are too strict to measure with the configured number of probes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from exporter.budget.forecast import DAY_SECONDS, by_target
from exporter.config.plan import Plan
from exporter.settings.units import format_duration

LEAST_BAD_PROBES = 3
"""The number that the burn-rate alerts require: ``deploy/prometheus/alerts.yml``."""
FAST_BURN = 14.4
"""The burn rate over an hour that pages: ``deploy/prometheus/alerts.yml``."""
_HOUR_SECONDS = 3600


def objective_warnings(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield a warning for each objective whose fast burn over an hour is fewer bad probes than the
    alerts require. All probes of a target count together, as they do in the alerts."""
    for of_target, forecast in by_target(plans):
        target, interval_seconds = of_target[0].target, of_target[0].interval_seconds
        probes_per_hour = forecast.probes * _HOUR_SECONDS / DAY_SECONDS
        for objective in target.slo.objectives() if target.slo else ():
            bad_probes = FAST_BURN * (1 - objective.ratio) * probes_per_hour
            if bad_probes < LEAST_BAD_PROBES:
                every = format_duration(interval_seconds)
                advice = _advice(interval_seconds * bad_probes / LEAST_BAD_PROBES, probes_per_hour)
                yield (
                    f"warning: target {target.name}: slo {objective.name} {objective.ratio:g} is"
                    f" too strict for a probe every {every}: the alert on a fast burn needs"
                    f" {LEAST_BAD_PROBES} bad probes in an hour, which is"
                    f" {100 * LEAST_BAD_PROBES / probes_per_hour:.2g} % of all; {advice}"
                )


def _advice(interval_seconds: float, probes_per_hour: float) -> str:
    """The interval and the objective that would be enough."""
    looser = 1 - LEAST_BAD_PROBES / FAST_BURN / probes_per_hour
    changes = []
    if interval_seconds >= 1:
        changes.append(f"probe every {format_duration(math.floor(interval_seconds))}")
    if looser > 0:
        changes.append(f"lower it to {math.floor(looser * 1e4) / 1e4:g}")
    return " or ".join(changes) or "probe more often"
