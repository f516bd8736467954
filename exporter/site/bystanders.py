"""Passes the results of the schedule's own probes to the metrics and the pages."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.config.plan import Plan
from exporter.metrics.registry import Metrics
from exporter.result import SkipReason
from exporter.site.status import Status


class Bystanders:
    """Tells both."""

    def __init__(self, metrics: Metrics, status: Status) -> None:
        self._both = metrics, status
        self.delayed = metrics.delayed

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """A scheduled probe was not sent."""
        for each in self._both:
            each.skipped(plan, reason)

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """The latest probes of a plan speak so strongly for a change."""
        for each in self._both:
            each.evidence(plan, by_measure)
