"""Finds objectives that the configured probes can't measure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from exporter.budget.forecast import DAY_SECONDS, forecast, grouped
from exporter.config.plan import Plan
from exporter.config.slo import Objective
from exporter.settings.units import format_duration

LEAST_BAD_PROBES = 3
"""The number that the burn-rate alerts require: ``deploy/prometheus/alerts.yml``."""
FAST_BURN = 14.4
"""The burn rate over an hour that pages: ``deploy/prometheus/alerts.yml``."""
_HOUR_SECONDS = 3600


def objective_warnings(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield a warning for each objective that no probe can meet or miss, and for each whose fast
    burn over an hour is fewer bad probes than the alerts require. All probes of a target that the
    objective applies to count together, as they do in the alerts."""
    for of_target in grouped(plans):
        target = of_target[0].target
        for objective in target.slo.objectives() if target.slo else ():
            judged = [plan for plan in of_target if objective in plan.objectives]
            why = _too_strict(objective, judged) if judged else "needs a streamed probe"
            if why:
                yield f"warning: target {target.name}: slo {objective.name} {why}"


def _too_strict(objective: Objective, judged: Sequence[Plan]) -> str | None:
    interval_seconds = judged[0].interval_seconds
    probes_per_hour = sum(forecast(plan).probes for plan in judged) * _HOUR_SECONDS / DAY_SECONDS
    bad_probes = FAST_BURN * (1 - objective.ratio) * probes_per_hour
    if bad_probes >= LEAST_BAD_PROBES:
        return None
    advice = _advice(interval_seconds * bad_probes / LEAST_BAD_PROBES, probes_per_hour)
    return (
        f"{objective.ratio:g} is too strict for a probe every {format_duration(interval_seconds)}:"
        f" the alert on a fast burn needs {LEAST_BAD_PROBES} bad probes in an hour, which is"
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
