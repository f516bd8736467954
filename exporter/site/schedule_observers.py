"""Passes events of the schedule to the metrics and the status pages."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config.plan import Plan
from exporter.metrics.registry import Metrics
from exporter.result import SkipReason
from exporter.site.status import Status


class ScheduleObservers:
    """Reports each event to both."""

    def __init__(self, metrics: Metrics, status: Status) -> None:
        self._both = metrics, status
        self.delayed = metrics.delayed

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """A scheduled probe was not sent."""
        for each in self._both:
            each.skipped(plan, reason)

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """How strongly the latest probes of a plan suggest a change, for each measure."""
        for each in self._both:
            each.evidence(plan, by_measure)
