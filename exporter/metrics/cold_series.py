"""What is exported about cold starts of one target and one probe."""

from __future__ import annotations

import math
from collections.abc import Mapping

from exporter.config.plan import Plan
from exporter.metrics import families
from exporter.metrics.series import Series
from exporter.result import BootPhase, Coldness, ColdSignal, Waiting


def create_zeroes(series: Series, plan: Plan) -> None:
    """All that can be known in advance."""
    series.histogram(families.COLD_START_DURATION)
    series.histogram(families.COLD_START_PENALTY)
    for signal in ColdSignal:
        series.counter(families.COLD_STARTS, signal=signal)
    series.counter(families.COLD_START_ATTEMPTS)
    set_waiting(series, None)
    if plan.target.watched_boot:
        set_boot(series, {})


def apply(series: Series, plan: Plan) -> None:
    """Take over what a plan says."""
    series.gauge(families.NOT_READY_LIMIT).set(plan.target.ready_limit_seconds)


def observe(series: Series, cold: Coldness, *, success: bool, exemplar: str | None) -> None:
    """Count a cold result. A failure counts with what it took alone; a boot has its own gauges,
    since it began before anything could be sent."""
    series.counter(families.COLD_START_ATTEMPTS).inc(cold.attempts)
    if not success:
        return
    series.counter(families.COLD_STARTS, signal=cold.signal).inc(exemplar=exemplar)
    if cold.signal is ColdSignal.BOOT:
        return
    if cold.duration_seconds is not None:
        series.histogram(families.COLD_START_DURATION).observe(cold.duration_seconds, exemplar)
    if cold.penalty_seconds is not None:
        series.histogram(families.COLD_START_PENALTY).observe(cold.penalty_seconds, exemplar)


def set_waiting(series: Series, waiting: Waiting | None) -> None:
    """Since when the model has not been ready; a target at rest is not asked, and so not known
    to be unready."""
    since = waiting.since if waiting and not waiting.ready else math.nan
    series.gauge(families.NOT_READY_SINCE).set(since)


def set_boot(series: Series, durations: Mapping[BootPhase, float]) -> None:
    """How far the latest boot has come."""
    for phase in BootPhase:
        gauge = series.gauge(families.BOOT_PHASE_DURATION, phase=phase)
        gauge.set(durations.get(phase, math.nan))
