"""Telling bare results, with the plans that they belong to filled in."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.config.plan import Plan
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.prices.price import DEFAULT_MIX, Mix
from exporter.result import ProbeResult


class ToldMetrics(Metrics):
    """Metrics that remember the plans, those that have gone among them."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[tuple[str, str], Plan] = {}

    def apply(self, plans: Iterable[Plan], mix: Mix = DEFAULT_MIX) -> None:
        plans = tuple(plans)
        self._asked |= {plan.key: plan for plan in plans}
        super().apply(plans, mix)

    def tell(self, result: ProbeResult) -> None:
        """Observe the result of the plan that it names."""
        self.observe(observed(self._asked[result.target, result.probe], result))
