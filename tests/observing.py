"""Helpers to observe bare results with their plans filled in."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.config.exposed import ExposedMetrics
from exporter.config.plan import Plan, PlanChange
from exporter.metrics.registry import Metrics
from exporter.observation import observed
from exporter.prices.price import DEFAULT_MIX, Mix
from exporter.result import ProbeResult


def newly(plans: Iterable[Plan]) -> PlanChange:
    """Return the change from no plans to these."""
    return PlanChange.between((), plans)


class Plans:
    """The active plans, and each change of them."""

    def __init__(self) -> None:
        self.in_force: tuple[Plan, ...] = ()

    def become(self, plans: Iterable[Plan]) -> PlanChange:
        """Return the change from the previous plans to these."""
        change = PlanChange.between(self.in_force, plans)
        self.in_force = change.plans
        return change


class ToldMetrics(Metrics):
    """Metrics that remember all plans, including removed ones."""

    def __init__(self, shown: ExposedMetrics = ExposedMetrics()) -> None:  # noqa: B008  frozen
        super().__init__(shown=shown)
        self._plans = Plans()
        self._asked: dict[tuple[str, str], Plan] = {}

    def take(self, plans: Iterable[Plan], mix: Mix = DEFAULT_MIX) -> None:
        """Apply the change to these plans."""
        change = self._plans.become(plans)
        self._asked |= {plan.key: plan for plan in change.plans}
        self.apply(change, mix)

    def tell(self, result: ProbeResult) -> None:
        """Observe a result, with the plan that it names."""
        self.observe(observed(self._asked[result.target, result.probe], result))
